"""The paper's network from weights that others published and the user has."""

from __future__ import annotations

from pathlib import Path

from impasto.lab.export.graphs import Story
from impasto.lab.methods.adain import AdaINNetwork, decoder_from, encoder_of
from impasto.lab.nets.vgg import load_vgg, read_weights, weights_metadata
from impasto.lab.train.networks import find_network


def adain_from(vgg: str | Path, decoder: str | Path) -> tuple[AdaINNetwork, Story]:
    """AdaIN's network and what its card says, from a VGG-19 and a decoder of pytorch-AdaIN.

    Licence and training data are those of the files given, or what a decoder of
    :func:`impasto.lab.export.publish.publish_decoder` says of itself.

    Raises:
        ModelError: if the files are no VGG-19 to relu4_1 or no decoder of that layout.
    """
    encoder = load_vgg(vgg)
    # Deeper layers, if the file has them, are not part of the paper's encoder.
    network = AdaINNetwork(encoder_of(encoder), decoder_from(read_weights(decoder)).eval())
    row, theirs = find_network("adain"), f"that of {Path(vgg).name} and {Path(decoder).name}"
    about = weights_metadata(decoder)
    story = Story(
        name=row.name,
        title=row.title,
        architecture=row.architecture,
        data=about.get("data", theirs),
        iterations=int(about.get("iterations", 0)),
        losses={},
        licence=about.get("licence", theirs),
        notes=about.get("notes", ""),
        precision=row.precision,
    )
    return network, story
