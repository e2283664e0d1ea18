"""What is around every command: encodings, full disks, readers that leave, Ctrl-C; short options and help."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time

import pytest

from inceptionlab import __version__, list_models
from inceptionlab.cli import COMMANDS, _without_code, main
from inceptionlab.cli.shell import exit_code
from inceptionlab.errors import ConfigError, SpecError
from tests.cli.test_cli import run

COMMAND = [sys.executable, "-m", "inceptionlab"]


def at_shell(*arguments, **options):
    return subprocess.run([*COMMAND, *arguments], capture_output=True, check=False, **options)


@pytest.mark.parametrize("encoding", ["ascii", "cp1252", "gbk", "utf-8"])
def test_output_dies_of_no_encoding(encoding):
    environment = os.environ | {"PYTHONIOENCODING": encoding}
    for arguments in (["show", "googlenet"], ["list", "--markdown"], ["list"], ["diff", "small_v1", "small_v2"]):
        done = at_shell(*arguments, env=environment)
        assert (done.returncode, done.stderr) == (0, b""), done.stderr.decode()
        done.stdout.decode(encoding)
    done = at_shell("show", "狗", env=environment)
    assert done.returncode == 2
    assert b"error: no network is called" in done.stderr
    assert b"Traceback" not in done.stderr


def test_what_an_encoding_lacks_is_written_plainly(monkeypatch):
    script = "from inceptionlab.cli.shell import exit_code; exit_code(lambda: print('3×3 → 狗 𝔸 é'))"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, check=True, env=os.environ | {"PYTHONIOENCODING": "ascii"}
    )
    words = done.stdout.decode().strip()
    assert words == r"3x3 -> \u72d7 \ud835\udd38 \u00e9"
    assert json.loads(f'"{words}"') == "3x3 -> 狗 𝔸 é"


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs /dev/full")
@pytest.mark.parametrize("arguments", [["list"], ["list", "--json"], ["show", "googlenet"], ["--help"], ["-V"]])
def test_a_full_disk_is_one_sentence(arguments):
    with open("/dev/full", "w") as full:
        done = subprocess.run([*COMMAND, *arguments], stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr == "error: the output cannot be written: No space left on device\n"


@pytest.mark.parametrize("arguments", ["list", "list --json", "show googlenet --depth 4", "show googlenet --json"])
def test_a_reader_may_leave(arguments):
    with subprocess.Popen([*COMMAND, *arguments.split()], stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        process.stdout.close()
        assert process.stderr.read() == b""
    assert process.returncode == 0


@pytest.mark.parametrize("wait", [0.3, 0.6, 1.0, 1.6, 2.4])
def test_ctrl_c_is_a_word_at_any_moment(wait, tmp_path):
    arguments = ["train", "small_v1", "digits", "-e", "500", "--device", "cpu", "-o", str(tmp_path / "run")]
    script = "from inceptionlab.__main__ import main; print('started', flush=True); main()"
    command = [sys.executable, "-c", script, *arguments]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        process.stdout.readline()
        time.sleep(wait)
        process.send_signal(signal.SIGINT)
        words = process.stderr.read()
    assert process.returncode == 130
    assert words.splitlines()[-1] == "interrupted"
    assert "Traceback" not in words


def test_an_interrupt_that_became_another_error_is_one(capsys):
    def importing():
        try:
            signal.raise_signal(signal.SIGINT)
        except KeyboardInterrupt:
            raise ImportError("a part of a library could not be initialised") from None

    before = signal.getsignal(signal.SIGINT), sys.unraisablehook
    try:
        assert exit_code(importing) == 130
    finally:
        signal.signal(signal.SIGINT, before[0])
        sys.unraisablehook = before[1]
    assert capsys.readouterr().err == "interrupted\n"


def test_errors_have_their_codes_and_bugs_their_tracebacks(capsys, tmp_path):
    def fail(error):
        raise error

    assert exit_code(lambda: None) == 0
    assert exit_code(lambda: sys.exit(1)) == 1
    assert exit_code(lambda: fail(SpecError("a sentence"))) == 2
    assert exit_code(lambda: (tmp_path / "none").read_bytes()) == 2
    assert capsys.readouterr().err == f"error: a sentence\nerror: {tmp_path / 'none'}: No such file or directory\n"
    with pytest.raises(ZeroDivisionError):
        exit_code(lambda: 1 / 0)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["shwo"], 'Did you mean "show"?'),
        (["show"], "show needs NAME, as in: inceptionlab show "),
        (["push", "runs/x"], "push needs TO, as in: inceptionlab push runs/"),
        (["study", "run"], "study run needs STUDY, as in: inceptionlab study run "),
        (["export-weights", "runs/x"], "export-weights needs --to, as in: inceptionlab export-weights "),
        (["show", "googlenet", "--explain"], "--explain needs a value, as in: inceptionlab show "),
        (["show", "googlenet", "--dept", "2"], "Did you mean --depth?"),
        (["show", "googlenet", "--depth", "1", "--depth", "2"], "--depth specified multiple times"),
        (["train", "--epochs", "x"], "'x' is no whole number"),
        (["study", "rnu"], 'Did you mean "run"?'),
        (["predict", "run", "--code"], "--code needs a file"),
    ],
)
def test_a_wrong_command_line_is_one_sentence(capsys, arguments, words):
    code, out, err = run(capsys, *arguments)
    assert (code, out) == (2, "")
    assert err.startswith("error: ")
    assert err.count("\n") == 1
    assert words in err


@pytest.mark.parametrize("option", ["-V", "--version"])
def test_the_version(capsys, option):
    assert run(capsys, option) == (0, f"{__version__}\n", "")


@pytest.mark.parametrize("command", ["", *COMMANDS])
def test_help_has_no_noise(capsys, command):
    code, out, _ = run(capsys, *command.split(), "--help")
    assert code == 0
    for noise in ("--no-json", "--empty", "[default: ()]", "[default: False]", '[default: ""]'):
        assert noise not in out


def test_short_options_mean_the_long_ones(capsys, tmp_path):
    code, out, _ = run(capsys, "train", "--help")
    assert code == 0
    for short, long in (("-m", "--model"), ("-d", "--data"), ("-r", "--recipe"), ("-e", "--epochs"), ("-o", "--out")):
        assert f"{long} {short} " in out
    few = ["--limit-train", "100", "--limit-test", "30", "--device", "cpu", "-e", "1", "-r", "digits"]
    main(["train", "small_fast", "digits", *few, "-o", str(tmp_path / "a")])
    main(["train", "-m", "small_fast", "-d", "Digits", *few, "-o", str(tmp_path / "b")])
    for name in ("config.toml", "spec.json"):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()


def test_list_finds_a_word(capsys):
    _, out, _ = run(capsys, "list", "inception", "--json")
    assert [record["name"] for record in json.loads(out)] == list_models("inception")
    assert set(list_models("*inception*")) < set(list_models("inception"))  # members of the family count too


def test_the_code_of_a_run_is_an_option_of_every_command():
    assert _without_code(["predict", "run", "--code", "mine.py", "a.png"]) == (["predict", "run", "a.png"], "mine.py")
    assert _without_code(["predict", "--code=mine.py"]) == (["predict"], "mine.py")
    with pytest.raises(ConfigError, match="twice"):
        _without_code(["--code", "a.py", "--code", "b.py"])


def test_what_the_hubs_library_warns_of_is_said_once():
    script = """
import logging
from inceptionlab.cli.loggers import warnings_only
warnings_only()
import huggingface_hub.utils
logging.getLogger("huggingface_hub.utils._http").warning("Retrying")
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stderr.count("Retrying") == 1


@pytest.mark.parametrize(
    ("command", "words"),
    [
        ("train", 'published ones ("inception_v3@timm"), and with their stem'),
        ("study run", "A study in TOML."),
    ],
)
def test_help_is_broken_where_its_box_is_full(command, words, capsys):
    with contextlib.suppress(SystemExit):
        main([*command.split(), "--help"])
    out = capsys.readouterr().out
    assert out.startswith(f"Usage: inceptionlab {command} ")
    assert words in " ".join(out.replace("│", " ").split())
    indents = [len(line) - len(line[1:].lstrip()) for line in out.splitlines() if line.startswith("│" + " " * 9)]
    assert len(set(indents)) == 1, indents
