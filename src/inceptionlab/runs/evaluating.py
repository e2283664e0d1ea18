"""`evaluate`: a trained network tested by a protocol."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from inceptionlab.data.dataset import DataSet
from inceptionlab.data.registry import load_data
from inceptionlab.errors import DataError
from inceptionlab.evaluation.options import Protocol
from inceptionlab.evaluation.predictions import BATCH
from inceptionlab.evaluation.protocol import Evaluation, Subject, apply_protocol
from inceptionlab.exporting.about import EngineName
from inceptionlab.runs.fitting import make_fabric
from inceptionlab.runs.options import Machine
from inceptionlab.runs.prediction import Opened, Source, Trained, is_exported, load
from inceptionlab.runs.setup import training_and_validation
from inceptionlab.zoo.imagenet import imagenet_classes, in_words


def evaluate(
    run: Source,
    protocol: Protocol | None = None,
    data: DataSet | str | None = None,
    ensemble: Sequence[Source] = (),
    engine: EngineName | None = None,
    machine: Machine | None = None,
) -> Evaluation:
    """Test a trained network by a protocol, in fp32, on the test images of its run or of other `data`.

    `run` may be an exported file too, which computes in what it was written for. `ensemble` are more runs, whose
    probabilities are averaged with its own; `engine` runs the network ("auto": the one that is fastest here; None: the
    network as it is). Raises `DataError` where classes differ, or it is not known what to test on.
    """
    where, wanted = machine or Machine(), protocol or Protocol()
    alone = where.device == "auto" and _runs_alone(run)
    device = "cpu" if alone else str(make_fabric(where.device, "fp32")[0].device)
    members = [load(run, device, engine, BATCH), *(load(one, device) for one in ensemble)]
    setup = members[0].setup
    loaded = _loaded(members[0], wanted, data, where)
    validation = training_and_validation(loaded, setup)[1] if setup and wanted.temperature else None
    limit = wanted.limit_test or (setup.limit_test if setup else None)
    subjects = [_subject(member) for member in members]
    test = loaded.test
    if members[0].classes == imagenet_classes():
        test = replace(test, classes=in_words(test.classes))
    found = apply_protocol(
        subjects[0], test, replace(wanted, limit_test=limit), ensemble=subjects[1:], validation=validation
    )
    engine_why = members[0].engine.why if members[0].engine else ""
    return replace(found, engine_why=engine_why, left_out=loaded.left_out)


def _runs_alone(run: Source) -> bool:
    """Whether a file runs without torch's devices."""
    return isinstance(run, Opened) or (not isinstance(run, Trained) and is_exported(run))


def _loaded(member: Trained | Opened, protocol: Protocol, data: DataSet | str | None, where: Machine) -> DataSet:
    """What to test on: the data that were said, or those of the run."""
    if isinstance(data, DataSet):
        return data
    setup = member.setup
    if data is None and setup is None:
        raise DataError("these weights come without data; say with --data what to test them on")
    skip = protocol.skip_unreadable or (data is None and setup is not None and setup.skip_unreadable)
    name = data or (setup.data if setup else "")
    return load_data(name, member.preprocess.input, where.data_dir, skip_unreadable=skip)


def _subject(trained: Trained | Opened) -> Subject:
    recipe = trained.setup.recipe if trained.setup else None
    subject = Subject(
        trained.run, trained.preprocess, trained.classes, flip_tta=recipe is not None and recipe.flip_tta,
        shift_tta=recipe is not None and recipe.shift_tta,
    )  # fmt: skip
    engine = trained.engine
    return replace(subject, precision=engine.precision, engine=engine.name) if engine else subject
