import json

import pytest
import torch
from torch import nn

from inceptionlab import RunError, create_model, get_spec, measure
from inceptionlab.benchmarking import race as benchmarking
from inceptionlab.benchmarking.memory import peak_bytes
from inceptionlab.benchmarking.profiling import BETWEEN, kind_of, profile, profile_table
from inceptionlab.benchmarking.race import Contestant, Machine, as_records, race, ratio, table
from inceptionlab.cli import main
from inceptionlab.exporting.optimizing import optimize

CPU = torch.device("cpu")


def contestant(name, seconds, batch=1):
    return Contestant(name, lambda: seconds, batch, macs=1_000_000)


@pytest.fixture
def clock(monkeypatch):
    """A clock by which work takes as long as it says, and a multiplication always the same."""

    def seconds(work, device):
        said = work()
        return said if isinstance(said, float) else 0.01

    monkeypatch.setattr(benchmarking, "seconds", seconds)


def test_a_race_orders_by_speed(clock):
    found, noise = race([contestant("slow", 0.02), contestant("fast", 0.005)], CPU, rounds=5)
    assert [len(one.times) for one in found] == [5, 5]
    assert ratio(*found) == pytest.approx((4, 4, 4))
    assert noise == 0
    machine = Machine({"fp32": 1.0, "bf16": 1e9}, 1.0, 1)
    race([contestant("one", 0.01)], CPU, rounds=3, machine=machine)
    assert machine.peaks == {"fp32": pytest.approx(2e-9 * benchmarking.SIDE**3 / 0.01), "bf16": 1e9}
    rows = as_records(found, Machine({"fp32": 1.0}, 1.0, 1))
    assert rows[0]["ratio"] == 1
    assert [row["p50_ms"] for row in rows] == pytest.approx([20, 5])
    assert rows[1]["gflops"] == pytest.approx(2e-9 * 1e6 / 0.005)
    assert table(rows).count("\n") == 3


def test_a_batch_counts_its_pictures(clock):
    found, _ = race([contestant("one", 0.01), contestant("four", 0.01, batch=4)], CPU, rounds=3)
    assert ratio(*found)[0] == pytest.approx(4)


def test_a_noisy_machine_is_refused(monkeypatch):
    clock = iter(range(1, 10_000))
    monkeypatch.setattr(benchmarking, "seconds", lambda work, device: float(next(clock) % 7 + 1))
    with pytest.raises(RunError, match="too noisy for a comparison"):
        race([contestant("a", 0)], CPU, rounds=6)
    assert race([contestant("a", 0)], CPU, rounds=6, noisy=True)[1] > 0.25


def test_peak_memory_is_that_of_the_work():
    held = []
    found = peak_bytes(lambda: held.append(torch.ones(64, 1024, 1024)), CPU)
    assert found is None or 0.9 * 2**28 < found < 1.3 * 2**28


def test_a_profile_adds_up_to_the_pass():
    network = optimize(create_model("inception_net"), torch.zeros(2, 3, 32, 32))
    shares = {share.kind: share for share in profile(network, torch.zeros(4, 3, 32, 32))}
    multiplied = sum(share.gflop for share in shares.values())
    assert multiplied == pytest.approx(4 * 2e-9 * measure(get_spec("inception_net")).macs, rel=0.02)
    assert shares["convolution 1×1"].count > 1
    assert shares["convolution 3×3"].gflops > 0
    assert BETWEEN in shares
    assert "of peak" in profile_table(list(shares.values()), 100.0)


def test_kinds_are_named_by_window_stride_and_groups():
    assert kind_of(nn.Conv2d(8, 8, 3, 2)) == "convolution 3×3 / 2"
    assert kind_of(nn.Conv2d(8, 8, (1, 7), groups=8)) == "convolution 1×7 depthwise"
    assert kind_of(nn.Conv2d(8, 8, 1, groups=2)) == "convolution 1×1 in 2 groups"
    assert kind_of(nn.ReLU()) == "ReLU"


@pytest.mark.parametrize(
    "arguments", [["--engines", "torch", "--batch", "2", "--profile"], ["--train", "--batch", "4"]]
)
def test_the_command_measures(arguments, tmp_path, capsys):
    main(["benchmark", "small_fast", "--rounds", "3", "--noisy", "--precision", "fp32", "--json",
          "-o", str(tmp_path / "speed"), *arguments])  # fmt: skip
    (record,) = json.loads(capsys.readouterr().out)
    assert record["peak_gflops"]["fp32"] > 0
    assert [row["ours"] for row in record["rows"]][-1]
    assert bool(record["profile"]) == ("--profile" in arguments)
    assert json.loads((tmp_path / "speed.json").read_text()) == [record]
    assert "times the first" in (tmp_path / "speed.md").read_text()
    assert next(tmp_path.glob("speed-small_fast-*.svg")).read_text().startswith("<svg")
