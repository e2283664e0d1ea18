import json

import pytest
import torch

from inceptionlab import SpecError, create_model, export_weights, get_spec, load_weights
from inceptionlab.cli import main
from inceptionlab.storage import read_tensors as read
from inceptionlab.storage import write_tensors

FORMS = {
    "googlenet.torchvision": ("torchvision", "inception5b.branch3.1.conv.weight"),
    "inception_v3.torchvision": ("torchvision", "AuxLogits.conv1.bn.running_var"),
    "inception_v3.tf_slim": ("timm", "Mixed_7c.branch3x3_2b.bn.bias"),
    "inception_v4": ("timm", "features.21.branch1_1b.conv.weight"),
    "inception_resnet_v2.released": ("timm", "block8.conv2d.bias"),
    "xception.timm": ("timm", "block12.rep.4.conv1.weight"),
    "xception41": ("timm", "blocks.12.stack.conv3.bn_pw.weight"),
    "xception41p": ("timm", "blocks.12.stack.conv2.norm.bias"),
    "inception_next_atto": ("timm", "stages.3.downsample.0.running_mean"),
}


@pytest.mark.parametrize("name", FORMS)
def test_what_is_exported_comes_back(name, tmp_path):
    to, key = FORMS[name]
    torch.manual_seed(0)
    model = create_model(name, 3, aux=True)
    state = export_weights(model, to)
    assert key in state
    torch.save(state, tmp_path / "theirs.pth")
    back = create_model(name, 3)
    account = load_weights(back, tmp_path / "theirs.pth")
    assert account.new == ()
    own = model.state_dict()
    assert all(torch.equal(value, own[key]) for key, value in back.state_dict().items())


def test_networks_that_the_library_has_not_are_refused():
    with pytest.raises(
        SpecError, match=r"torchvision has no inception_v4; it has googlenet\.torchvision, inception_v3"
    ):
        export_weights(create_model("inception_v4", 3), "torchvision")
    changed = create_model(get_spec("inception_v3 | attend(se)"), 3)
    with pytest.raises(SpecError, match=r"is not timm's network: it differs at 'mixed5b\."):
        export_weights(changed, "timm")


def test_the_command(tmp_path, capsys):
    from inceptionlab.spec.codec import to_json

    model = create_model("inception_next_atto", 3)
    write_tensors(tmp_path / "ours.safetensors", model.state_dict(), {"spec": to_json(model.spec)})
    out = tmp_path / "theirs.safetensors"
    main(["export-weights", str(tmp_path / "ours.safetensors"), "--to", "timm", "-o", str(out)])
    assert "timm's inception_next_atto" in capsys.readouterr().out
    assert torch.equal(read(out)["head.fc2.bias"], model.state_dict()["fc2.linear.bias"])
    main(["export-weights", str(tmp_path / "ours.safetensors"), "--to", "timm", "-o", str(out), "--json"])
    found = json.loads(capsys.readouterr().out)
    assert (found["library"], found["network"], found["file"]) == ("timm", "inception_next_atto", str(out))
    assert set(found["written"]) == set(read(out))
    assert found["input"]["mean"] == list(model.spec.input.mean)
    with pytest.raises(SystemExit) as stop:
        main(["export-weights", str(out), "--to", "timm"])
    assert stop.value.code == 2
