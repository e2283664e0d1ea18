"""`evaluate`: a trained network tested by a protocol."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from inceptionlab.data.dataset import DataSet
from inceptionlab.data.registry import load_data
from inceptionlab.errors import DataError
from inceptionlab.evaluation.predictions import BATCH
from inceptionlab.evaluation.protocol import Evaluation, Protocol, Subject, apply_protocol
from inceptionlab.exporting.engines import EngineName
from inceptionlab.runs.fitting import make_fabric
from inceptionlab.runs.options import Machine
from inceptionlab.runs.prediction import Source, Trained, load_run, with_engine
from inceptionlab.runs.setup import training_and_validation
from inceptionlab.zoo.published import imagenet_classes, in_words


def evaluate(
    run: Source,
    protocol: Protocol | None = None,
    data: DataSet | str | None = None,
    ensemble: Sequence[Source] = (),
    engine: EngineName | None = None,
    machine: Machine | None = None,
) -> Evaluation:
    """Test a trained network by a protocol, in fp32, on the test images of its run or of other `data`.

    `ensemble` are more runs, whose probabilities are averaged with its own; `engine` runs the network ("auto": the one
    that is fastest here; None: the network as it is). Raises `DataError` where classes differ, or it is not known what
    to test on.
    """
    where, wanted = machine or Machine(), protocol or Protocol()
    device = str(make_fabric(where.device, "fp32")[0].device)
    members = [load_run(one, device) for one in (run, *ensemble)]
    members[0] = with_engine(members[0], engine, batch=BATCH)[0] if engine else members[0]
    setup = members[0].setup
    source = data or (setup.data if setup else "")
    if not source:
        raise DataError(f"{run} was not trained here; say with --data what to test it on")
    spec = members[0].network.spec
    loaded = load_data(source, spec.input, where.data_dir) if isinstance(source, str) else source
    validation = training_and_validation(loaded, setup)[1] if setup and wanted.temperature else None
    limit = wanted.limit_test or (setup.limit_test if setup else None)
    subjects = [_subject(member) for member in members]
    test = loaded.test
    if members[0].classes == imagenet_classes():
        test = replace(test, classes=in_words(test.classes))
    return apply_protocol(
        subjects[0], test, replace(wanted, limit_test=limit), ensemble=subjects[1:], validation=validation
    )


def _subject(trained: Trained) -> Subject:
    flip_tta = trained.setup is not None and trained.setup.recipe.flip_tta
    return Subject(trained.run, trained.preprocess, trained.classes, flip_tta)
