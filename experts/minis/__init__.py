"""The minis: the embedded default's experts, trained from scratch by this project.

Six specialists (Llama) and one sparse-MoE generalist (OLMoE), as Hugging Face
folders under ``models/``. Importing this package loads neither torch nor
transformers: it only says which models there are and where they lie.
"""

from pathlib import Path

SKILLS = ("arithmetic", "text", "lists", "dates", "facts", "logic")
"""The skills, each with one specialist of the same name."""

GENERALIST = "generalist"
"""The one model that is trained on all skills."""

NAMES = (*SKILLS, GENERALIST)
"""Every mini, in the order of tables and reports."""


def models_dir() -> Path:
    """Return the folder that holds one Hugging Face folder per name in `NAMES`."""
    return Path(__file__).parent / "models"


def data_dir() -> Path:
    """Return the folder with the labelled prompt files that ship with the minis."""
    return Path(__file__).parent / "data"


__all__ = ["GENERALIST", "NAMES", "SKILLS", "data_dir", "models_dir"]
