"""The files that an evaluation leaves: figures, picture, answers."""

from collections.abc import Container, Iterable, Sequence
from pathlib import Path

from domain.errors import FeedbackError, UserError
from runtime.evaluation.as_json import as_json, predictions
from runtime.evaluation.collected import Collected
from runtime.evaluation.evaluation import Evaluation
from runtime.evaluation.labels import Labelled

FIGURES, PICTURE, ANSWERS = "eval.json", "eval.png", "predictions.jsonl"


class EvaluationNotWrittenError(FeedbackError):
    """The folder takes no more, or no longer."""

    def __init__(self, folder: Path, cause: OSError) -> None:
        super().__init__(
            f"The evaluation cannot be written to {folder}: {_why(cause)}. Its figures stand above. Make room, or "
            "choose another folder with --out, and evaluate again."
        )


class EvaluationFiles:
    """A folder for one evaluation.

    Args:
        folder: made where there is none.
        overwrite: whether an earlier evaluation may go.
    """

    def __init__(self, folder: Path, *, overwrite: bool = False) -> None:
        self.folder = folder
        self._overwrite = overwrite

    def check(self) -> None:
        """See that it can be written to, before anything is paid for.

        Raises:
            UserError: it cannot, or it holds an earlier evaluation.
        """
        earlier = [name for name in (FIGURES, PICTURE, ANSWERS) if (self.folder / name).exists()]
        if earlier and not self._overwrite:
            raise UserError(
                f"{self.folder} holds an earlier evaluation: {', '.join(earlier)}.",
                "Choose another folder with --out, or give --overwrite to replace it.",
            )
        trial = self.folder / f".{FIGURES}.part"
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            trial.touch()
            trial.unlink()
        except OSError as error:
            raise UserError(
                f"{self.folder} cannot be written to: {_why(error)}.", "Choose another folder with --out."
            ) from None

    def write(self, figures: str, answers: Iterable[str], picture: bytes | None) -> None:
        """Write all of it, each file whole or not at all; without a picture an earlier one goes.

        Raises:
            EvaluationNotWrittenError: the disk is full, say.
        """
        try:
            self._put(ANSWERS, "".join(answers).encode())
            if picture is None:
                (self.folder / PICTURE).unlink(missing_ok=True)
            else:
                self._put(PICTURE, picture)
            self._put(FIGURES, figures.encode())
        except OSError as error:
            raise EvaluationNotWrittenError(self.folder, error) from None

    def _put(self, name: str, content: bytes) -> None:
        part = self.folder / f".{name}.part"
        try:
            part.write_bytes(content)
            part.replace(self.folder / name)
        finally:
            part.unlink(missing_ok=True)


def write_evaluation(
    files: EvaluationFiles, found: Evaluation, records: Sequence[Labelled], done: Container[int], collected: Collected
) -> None:
    """Write what was found of the records whose lines are done; a picture only where something was scored.

    Raises:
        EvaluationNotWrittenError: the folder does not take it.
    """
    picture = None
    if found.scores is not None:
        from runtime.evaluation.chart import chart_of

        picture = chart_of(found, found.scores)
    files.write(as_json(found), predictions(records, done, collected), picture)


def _why(error: OSError) -> str:
    return (error.strerror or type(error).__name__).lower()
