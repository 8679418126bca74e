"""Channels within residual blocks: which are dead is told as it is."""

import pytest

torch = pytest.importorskip("torch")

from channels import dead_channels, dead_share, measure_channels, record_channels  # noqa: E402
from impasto.errors import ImageError, OptionError  # noqa: E402
from impasto.lab.nets.blocks import Residual  # noqa: E402


@pytest.fixture
def block():
    torch.manual_seed(0)
    made = Residual(8)
    # Dead in either way: cut off for every picture, or with no way out.
    made.first.bias.data[2] = -1e4
    made.second.weight.data[:, 5] = 0
    return torch.nn.Sequential(made).requires_grad_(False)


def test_dead_channels_are_those_that_say_nothing(block):
    with record_channels(block) as activity:
        block(torch.randn(2, 8, 16, 16))
    assert dead_channels(activity)["0"].nonzero().flatten().tolist() == [2, 5]
    assert dead_share(activity) == pytest.approx(2 / 8)


def test_what_a_channel_says_is_what_its_block_adds(block):
    """Against the deviation of what it adds, alone, where its kernels are single points."""
    block[0].second.weight.data[:, :, [0, 0, 0, 1, 1, 2, 2, 2], [0, 1, 2, 0, 2, 0, 1, 2]] = 0
    maps = torch.randn(2, 8, 16, 16)
    with record_channels(block) as activity:
        block(maps)
    within = block[0].first(maps).relu()
    for channel in range(8):
        alone = torch.zeros_like(within)
        alone[:, channel] = within[:, channel]
        adds = torch.nn.functional.conv2d(alone, block[0].second.weight, padding=1)
        deviation = adds.var(dim=(0, 2, 3), correction=0).sum().sqrt()
        assert activity["0"][channel] == pytest.approx(float(deviation), abs=1e-5)


def test_one_picture_is_enough_to_be_alive(block):
    silent, loud = torch.zeros(1, 8, 16, 16), torch.randn(1, 8, 16, 16)
    with record_channels(block) as activity:
        block(silent)
        assert dead_share(activity) == 1.0
        block(loud)
        block(silent)
    assert dead_share(activity) == pytest.approx(2 / 8)
    block(loud * 100)  # nobody watches any more
    assert dead_share(activity) == pytest.approx(2 / 8)


def test_networks_without_such_blocks_have_no_share():
    network = torch.nn.Conv2d(3, 3, 3)
    with record_channels(network) as activity:
        network(torch.randn(1, 3, 8, 8))
    assert dead_share(activity) is None


def test_the_command_counts_those_of_a_model(run_recipe, tmp_path):
    result = run_recipe("channels", "fast", "--count", "2")
    assert result.returncode == 0, result.stderr
    _, _, *rows, last = (
        [cell.strip() for cell in row.split("|")] for row in result.stdout.splitlines()
    )
    assert last[1] == "all"
    channels, dead = (sum(int(row[column]) for row in rows) for column in (2, 3))
    assert int(last[2]) == channels and last[3] == f"{dead / channels:.1%}"
    with pytest.raises(ImageError, match="0 pictures of 256 px"):
        measure_channels("fast", tmp_path, tmp_path)
    with pytest.raises(OptionError, match="other"):
        measure_channels("fast", tmp_path, tmp_path, network="other")
