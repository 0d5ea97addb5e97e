"""What an image is made of, as a bill of materials that other programs read."""

from dataclasses import dataclass, field

from uptainer.core.enums import SbomFormat


@dataclass(frozen=True, slots=True)
class Sbom:
    """One document, as JSON; `components` is how many parts it names, `made_by` the program and its version."""

    format: SbomFormat
    document: bytes = field(repr=False)
    components: int
    made_by: str
