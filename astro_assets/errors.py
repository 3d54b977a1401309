"""The named errors: what was found, what was expected, what to do next.

Everything a person can mend ends in one of these; anything else is a defect of ours and keeps its
traceback. No error is caught in order to carry on.
"""

from __future__ import annotations


class AstroError(Exception):
    """Base of all named errors; its text is complete sentences for the person at the terminal."""

    def __init__(self, found: str, *, expected: str = "", do: str = "") -> None:
        """Keep the three parts apart so that callers can show them as they like."""
        self.found, self.expected, self.do = found, expected, do
        parts = [found]
        if expected:
            parts.append(f"Expected: {expected}")
        if do:
            parts.append(f"To do: {do}")
        super().__init__("\n".join(parts))


class BadSettingError(AstroError):
    """A setting, flag or recipe field has a value that cannot be used."""


class BadReleaseError(AstroError):
    """A release month is malformed, before arXiv, or not ended yet."""


class UnknownNameError(AstroError):
    """A recipe, asset, model or base of that name does not exist."""


class BadSnapshotError(AstroError):
    """The snapshot is missing, damaged, empty, or no snapshot at all."""


class HarvestError(AstroError):
    """The OAI-PMH server did not give what the protocol promises."""


class EmptyCorpusError(AstroError):
    """A filter or split left nothing to work on."""


class MissingArtifactError(AstroError):
    """An upstream artifact was never made or has been removed."""


class DamagedArtifactError(AstroError):
    """An artifact's bytes no longer match its manifest."""


class DiskFullError(AstroError):
    """There is no room left on the disk that is written to."""


class HomeTakenError(AstroError):
    """Another process is writing to the same home."""


class ReleaseBoundError(AstroError):
    """The release is bound to another snapshot."""


class BadModelError(AstroError):
    """A model folder, hub id or adapter cannot be used."""


class TrainingError(AstroError):
    """Training ended without a usable adapter."""


class TrainingStoppedError(TrainingError):
    """Training was stopped on request and can go on where it stood."""


class RegistryError(AstroError):
    """The MLflow registry does not hold what was asked of it, or cannot be reached."""
