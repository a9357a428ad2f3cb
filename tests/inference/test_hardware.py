import pytest
import torch

from limner.errors import ConfigError
from limner.inference.hardware import best_device, choose_device, choose_precision, has_fast_bf16


def test_auto_takes_what_is_there() -> None:
    assert choose_device("auto").type == best_device()
    assert choose_device("cpu") == torch.device("cpu")


def test_auto_precision_is_bf16_exactly_where_it_is_fast() -> None:
    wanted = "bf16" if has_fast_bf16("cpu") else "float32"
    assert choose_precision("auto", torch.device("cpu")) == wanted
    assert choose_precision("bf16", torch.device("cpu")) == "bf16"
    assert choose_precision("float32", torch.device("cpu")) == "float32"
    assert not has_fast_bf16("mps")


@pytest.mark.skipif(torch.cuda.is_available(), reason="has a CUDA device")
def test_a_missing_device_is_named() -> None:
    with pytest.raises(ConfigError, match="the device 'cuda'"):
        choose_device("cuda")
    assert not has_fast_bf16("cuda")
