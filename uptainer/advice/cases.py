"""Recorded cases: made-up updates with notes that were written for them, and what a good model answers."""

from datetime import UTC, datetime, timedelta
from importlib.resources import files
from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from uptainer.advice.notes import Release, ReleaseNotes
from uptainer.advice.subject import AdviceSubject
from uptainer.core.enums import ChangeLevel, RecommendationType, ScanStatus, Severity
from uptainer.core.errors import InvalidInputError, NotFoundError
from uptainer.core.findings import Scan, ScanDifference, Vulnerability
from uptainer.core.images import Candidate
from uptainer.core.reference import Reference
from uptainer.core.workloads import Mount

_NOW = datetime(2026, 6, 1, 12, 0, tzinfo=UTC)
_DIGEST = f"sha256:{'c' * 64}"
_CONFIG = ConfigDict(extra="forbid", frozen=True)


class RecordedRelease(BaseModel):
    """`filler` stands `repeat` times around the body: a page in which few lines matter."""

    model_config = _CONFIG

    tag: str
    title: str = ""
    body: str
    filler: str = ""
    repeat: Annotated[int, Field(ge=0, le=10_000)] = 0

    def release(self) -> Release:
        around = "\n".join([self.filler] * (self.repeat // 2))
        return Release(
            self.tag, self.title, "\n".join(part for part in (around, self.body, around) if part), ""
        )


class RecordedCase(BaseModel):
    """`expect` are the decisions that are right; `most_risk` bounds the risk of a harmless one.

    `must_quote` are words of which a breaking change of the answer must quote a part; `must_not_say` are words that
    stand in its summary or reasons only if the notes talked it into them.
    """

    model_config = _CONFIG

    name: str
    about: str
    image: str
    before: str = Field(alias="from")
    after: str = Field(alias="to")
    level: ChangeLevel
    releases: tuple[RecordedRelease, ...] = Field(min_length=1)
    mounts: tuple[str, ...] = ()
    fixed: tuple[Severity, ...] = ()
    new: tuple[Severity, ...] = ()
    injection: bool = False
    expect: tuple[RecommendationType, ...] = Field(min_length=1)
    most_risk: Annotated[int, Field(ge=0, le=100)] = 100
    must_quote: tuple[str, ...] = ()
    must_not_say: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _must_be_quotable(self) -> Self:
        text = " ".join(self.notes().text.split())
        missing = [quote for quote in self.must_quote if " ".join(quote.split()) not in text]
        if missing:
            raise ValueError(f"{missing[0]!r} does not stand in the notes")
        return self

    def notes(self) -> ReleaseNotes:
        return ReleaseNotes("recorded", tuple(each.release() for each in self.releases))

    def subject(self) -> AdviceSubject:
        """Everything else about it is as good as can be, so that the notes decide."""
        reference = Reference.parse(f"{self.image}:{self.before}")
        scan = Scan(_DIGEST, "linux/amd64", ScanStatus.SUCCEEDED, end_of_life=False, os_family="debian")
        return AdviceSubject(
            workload="recorded/case",
            reference=reference,
            candidate=Candidate(
                reference.with_tag(self.after), _DIGEST, self.level, self.after, _NOW - timedelta(days=30)
            ),
            now=_NOW,
            running_version=self.before,
            running_scan=scan,
            candidate_scan=scan,
            difference=ScanDifference(_flaws(self.new, "1"), _flaws(self.fixed, "2"), (), ()),
            has_healthcheck=True,
            mounts=tuple(Mount("volume", "data", "data", each, read_only=False) for each in self.mounts),
            notes=self.notes(),
        )


def load_cases(names: tuple[str, ...] = ()) -> tuple[RecordedCase, ...]:
    """All of them in the order of their names, or those that are named.

    Raises:
        NotFoundError: one that is named is not there; the message has those that are.
    """
    folder = files("uptainer.advice.recorded")
    there = sorted(
        each.name.removesuffix(".yaml") for each in folder.iterdir() if each.name.endswith(".yaml")
    )
    unknown = [name for name in names if name not in there]
    if unknown:
        raise NotFoundError(f"there is no case {unknown[0]!r}; there are: {', '.join(there)}")
    return tuple(read_case(name, (folder / f"{name}.yaml").read_text("utf-8")) for name in names or there)


def read_case(name: str, text: str) -> RecordedCase:
    """Raises InvalidInputError: it is no case; the message says which field is wrong."""
    try:
        return RecordedCase.model_validate({"name": name, **YAML(typ="safe").load(text)})
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        raise InvalidInputError(f"the case {name} is wrong: {place}: {first['msg']}") from error
    except (YAMLError, TypeError) as error:
        raise InvalidInputError(f"the case {name} is no YAML of a case: {error}") from error


def _flaws(severities: tuple[Severity, ...], year: str) -> tuple[Vulnerability, ...]:
    return tuple(
        Vulnerability(f"CVE-200{year}-{number}", "library", "1", "2", severity)
        for number, severity in enumerate(severities, 1000)
    )
