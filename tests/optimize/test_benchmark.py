import json

import pytest
import torch
from torch import nn

from inceptionlab import SpecError, create_model, get_spec, measure
from inceptionlab.benchmarking import peaks as peaks_module
from inceptionlab.benchmarking import race as benchmarking
from inceptionlab.benchmarking.measuring import benchmark
from inceptionlab.benchmarking.memory import peak_bytes
from inceptionlab.benchmarking.options import Options
from inceptionlab.benchmarking.peaks import MachinePeaks, Peak, Primitive, measured_peaks
from inceptionlab.benchmarking.profiling import BETWEEN, LayerTimes, kind_of, profile, profile_table
from inceptionlab.benchmarking.race import Candidate, Timing, race, ratio
from inceptionlab.benchmarking.results import raised, rows_of, table
from inceptionlab.cli import main
from inceptionlab.errors import ConfigError, MeasurementError
from inceptionlab.exporting.optimizing import optimize

CPU = torch.device("cpu")


def candidate(name, seconds, batch=1):
    return Candidate(name, lambda: seconds, batch, macs=1_000_000)


@pytest.fixture
def clock(monkeypatch):
    """A clock by which work takes as long as it says, and a multiplication always the same."""

    def seconds(work, device):
        said = work()
        return said if isinstance(said, float) else 0.01

    monkeypatch.setattr(benchmarking, "seconds", seconds)


def test_a_race_orders_by_speed(clock):
    found = race([candidate("slow", 0.02), candidate("fast", 0.005)], CPU, rounds=5)
    assert [len(one.times) for one in found.timings] == [5, 5]
    assert ratio(*found.timings) == pytest.approx((4, 4, 4))
    assert found.noise == 0
    assert found.gflops == pytest.approx(2e-9 * benchmarking.SIDE**3 / 0.01)
    rows = rows_of(found.timings, MachinePeaks({"fp32": Peak(1.0, "x")}, 1.0, 1))
    assert rows[0].ratio == 1
    assert [row.p50_ms for row in rows] == pytest.approx([20, 5])
    assert rows[1].gflops == pytest.approx(2e-9 * 1e6 / 0.005)
    assert table(rows).count("\n") == 3


def test_a_batch_counts_its_images(clock):
    found = race([candidate("one", 0.01), candidate("four", 0.01, batch=4)], CPU, rounds=3)
    assert ratio(*found.timings)[0] == pytest.approx(4)


def test_a_noisy_machine_is_refused(monkeypatch):
    clock = iter(range(1, 10_000))
    monkeypatch.setattr(benchmarking, "seconds", lambda work, device: float(next(clock) % 7 + 1))
    with pytest.raises(MeasurementError, match="too noisy for a comparison"):
        race([candidate("a", 0)], CPU, rounds=6)
    assert race([candidate("a", 0)], CPU, rounds=6, noisy=True).noise > 0.25


def test_nothing_that_is_measured_exceeds_the_peak():
    cases = (("a", "fp32", 0.1), ("b", "fp32", 0.004), ("c", "bf16", 0.01), ("d", "int8", 1))
    timings = [
        Timing(Candidate(name, lambda: None, 1, 10**9, precision), [seconds] * 3) for name, precision, seconds in cases
    ]
    layers = [LayerTimes("convolution 3×3", 4, 0.001, 7.0), LayerTimes("ReLU", 4, 0.001, 0.0)]
    measured = MachinePeaks({"fp32": Peak(214.0, "a multiplication"), "bf16": Peak(1000.0, "x")}, 10.0, 1)
    peaks = raised(measured, timings, layers)
    assert measured.peaks["fp32"].gflops == 214  # a value: the measured one stays
    assert peaks.peaks["fp32"] == Peak(pytest.approx(7000), "convolution 3×3 of the network")
    assert peaks.peaks["bf16"] == Peak(1000.0, "x")
    assert peaks.peaks["int8"] == Peak(pytest.approx(2), "d, the whole network")  # no primitive, so the best of all
    for given in (measured, peaks, MachinePeaks({}, 1.0, 1)):
        shares = [row.share_of_peak for row in rows_of(timings, given)]
        assert max(shares) <= 1
    assert max(layers.gflops for layers in layers) <= peaks.peaks["fp32"].gflops


def test_the_peak_is_that_of_the_fastest_primitive(monkeypatch):
    def primitives(device, precision):
        yield Primitive("slow", 1.0, lambda: 0.5)
        yield Primitive("fast", 1.0, lambda: 0.1)
        yield Primitive("missing", 1.0, missing)
        yield Primitive("medium", 1.0, lambda: 0.2)

    def missing():
        raise RuntimeError("not implemented for 'Half'")

    def seconds(work, device):
        said = work()
        return said if isinstance(said, float) else 0.01

    monkeypatch.setattr(peaks_module, "seconds", seconds)
    monkeypatch.setattr(peaks_module, "_multiplications", primitives)
    monkeypatch.setattr(peaks_module, "_convolutions", lambda device, precision: iter(()))
    assert measured_peaks(CPU, ["fp32", "bf16"]).peaks == {
        "fp32": Peak(10.0, "fast"), "bf16": Peak(10.0, "fast"),
    }  # fmt: skip


def test_every_precision_has_its_peak():
    found = measured_peaks(CPU, ["fp32", "bf16", "int8"])
    assert set(found.peaks) == {"fp32", "bf16", "int8"}
    assert all(peak.gflops > 1 for peak in found.peaks.values())
    alone = MachinePeaks({"fp32": Peak(1e9, "other")}, 1e9, 1)
    assert found.with_best_of(alone).peaks["fp32"] == Peak(1e9, "other")
    assert found.with_best_of(alone).bandwidth == 1e9


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
    assert record["peak_by"]["fp32"]
    assert all(row["share_of_peak"] <= 1 for row in record["rows"])
    assert [row["ours"] for row in record["rows"]][-1]
    assert bool(record["profile"]) == ("--profile" in arguments)
    assert json.loads((tmp_path / "speed.json").read_text()) == [record]
    assert "times the first" in (tmp_path / "speed.md").read_text()
    assert next(tmp_path.glob("speed-small_fast-*.svg")).read_text().startswith("<svg")


def test_one_name_is_one_network():
    with pytest.raises(SpecError, match="no network is called 'smal_fast'"):
        benchmark("smal_fast")


def test_a_benchmark_is_a_call(capsys):
    seen = []
    spec = get_spec("small_fast | widen(0.5)")
    options = Options(engines=("onnxruntime", "openvino"), precision=("fp32", "int8"), batch=(2,), rounds=3, noisy=True)
    (result,) = benchmark([spec], options, finished=lambda results: seen.append(len(results)))
    assert (result.network, result.batch, seen) == (spec.title, 2, [1])
    assert {(row.name, row.precision) for row in result.rows if row.ours} >= {
        ("ours, onnxruntime", "fp32"), ("ours, openvino", "fp32"), ("ours, openvino", "int8"),
    }  # fmt: skip
    assert max(row.share_of_peak for row in result.rows) <= 1
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(("options", "words"), [
    ({"rounds": 2}, "give at least 3 rounds"), ({"batch": (0,)}, "give at least 3 rounds and 1 image"),
    ({"train": True, "precision": ("int8",)}, "not int8"), ({"profile": True, "train": True}, "leave --train out"),
    ({"precision": ("fp64",)}, "precision"), ({"against": ("keras",)}, "against"),
])  # fmt: skip
def test_options_that_mean_nothing_are_refused(options, words):
    with pytest.raises(ConfigError, match=words):
        Options(**options)


def test_measuring_registers_no_operators_and_keeps_the_callers_random_state():
    state = torch.get_rng_state()
    before = hasattr(torch.ops.torchvision, "nms")
    with pytest.raises(ConfigError, match="torchvision has no small_fast"):
        benchmark(["small_fast"], Options(against=("torchvision",), batch=(1,), rounds=3, noisy=True))
    assert torch.equal(torch.get_rng_state(), state)
    assert hasattr(torch.ops.torchvision, "nms") == before
