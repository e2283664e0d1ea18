"""Into a trained network: which branch does the work, what each sees, and what it says of an image."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch

from inceptionlab.data.dataset import DataSet, Samples
from inceptionlab.data.preprocess import centred
from inceptionlab.data.registry import load_data
from inceptionlab.errors import DataError, counted
from inceptionlab.explaining.branches import BranchWork, Silence, branch_work, branches_of
from inceptionlab.explaining.maps import feature_maps, first_filters
from inceptionlab.explaining.places import module_at
from inceptionlab.explaining.receptive import EffectiveField, field_table, receptive_fields
from inceptionlab.report.branches_page import Looked, branches_html
from inceptionlab.runs.fitting import make_fabric
from inceptionlab.runs.options import Machine
from inceptionlab.runs.prediction import Source, Trained, load_run
from inceptionlab.runs.setup import training_and_validation

SEEN = 16
"""Images over which receptive fields are averaged."""


@dataclass(frozen=True, slots=True, eq=False)
class BranchReport:
    """What came of `explain_branches`: the work of every branch, and the effective fields of the branches of a module
    and of the top-level nodes before the head.
    """

    looked: Looked

    @property
    def work(self) -> BranchWork:
        """The work of every branch."""
        return self.looked.work

    @property
    def fields(self) -> tuple[EffectiveField, ...]:
        """The fields, those of the module's branches first."""
        return (*self.looked.fields, *self.looked.modules)

    def __str__(self) -> str:
        return f"{self.work}\nfields on {counted(self.fields[0].images, 'image')}\n{field_table(self.fields)}"

    def to_html(self) -> str:
        """A page with all figures."""
        return branches_html(self.looked)

    def as_record(self) -> dict[str, Any]:
        """The numbers for JSON."""
        about = {"on": self.looked.images, "node": self.looked.node}
        return {**about, **self.work.as_record(), "fields": [one.as_record() for one in self.fields]}


def explain_branches(
    run: Source,
    data: DataSet | str | None = None,
    limit: int | None = 500,
    node: str = "",
    silence: Silence = "mean",
    machine: Machine | None = None,
) -> BranchReport:
    """Which branch of each module does the work of a trained network, on the validation images of its run, or on the
    test images of other `data`; at most `limit` of them (None: all).

    Fields and maps are shown of the branches of `node` ("": the middle one of the modules that have some). Raises
    `DataError` where it is not known which images to take, `SpecError` for a network without branches and for an
    unknown node.
    """
    where = machine or Machine()
    trained = load_run(run, make_fabric(where.device, "fp32")[0].device)
    if node:
        module_at(trained.network, node)  # an unknown one is refused before anything is computed
    samples, images = _samples(trained, data, where)
    samples, network = samples.limited(limit), trained.network
    tops = tuple(network.top_level[: len(network.spec.stem.children) + len(network.spec.body.children)])
    few = samples.limited(SEEN)
    x = trained.preprocess.batch(few.images[torch.arange(len(few))].to(trained.device))
    modules = tuple(field for top in tops for field in receptive_fields(network, top, x))
    work = branch_work(network, samples, silence)
    chosen = node or tuple(work.modules)[len(work.modules) // 2]
    shown = branches_of(network.spec, chosen) or (chosen,)
    fields = tuple(field for address in shown for field in receptive_fields(network, address, x))
    maps = feature_maps(network, chosen, x[:1])
    image = centred(few.images[torch.arange(1)], trained.preprocess.size)[0].cpu().numpy()
    about = f"{counted(len(samples), 'image')}: {images}"
    return BranchReport(Looked(work, chosen, fields, modules, maps, first_filters(network), image, about))


def _samples(trained: Trained, data: DataSet | str | None, where: Machine) -> tuple[Samples, str]:
    """The images to look with, and what they are."""
    setup = trained.setup
    if data is None and setup is None:
        raise DataError("these weights come without data; say with --data which images to look with")
    if data is None and setup is not None:
        skip = setup.skip_unreadable
        loaded = load_data(setup.data, trained.preprocess.input, where.data_dir, skip_unreadable=skip)
        return training_and_validation(loaded, setup)[1], f"validation of {loaded.name}"
    loaded = data if isinstance(data, DataSet) else load_data(str(data), trained.preprocess.input, where.data_dir)
    return loaded.test, f"test of {loaded.name}"
