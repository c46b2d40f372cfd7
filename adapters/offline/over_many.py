"""What is asked over many records: each question to the part that answers it."""

from typing import Any

from adapters.offline.analyser import analyse
from adapters.offline.embeddings import Embedder
from adapters.offline.findings import put_together
from adapters.offline.prompt_reader import AnalysisTask, ChunkTask, MergeTask, ReduceTask, ThemesTask
from adapters.offline.themes import merged, themes_of


def over_many(task: AnalysisTask | ReduceTask | ThemesTask | MergeTask, embedder: Embedder) -> dict[str, Any]:
    """The answer's JSON."""
    if isinstance(task, AnalysisTask):
        return analyse(task.instruction, task.records, embedder, numbered=not isinstance(task, ChunkTask))
    if isinstance(task, ReduceTask):
        return put_together(task.instruction, task.findings, embedder)
    if isinstance(task, ThemesTask):
        return themes_of(task.records, embedder)
    return merged(task.themes, embedder)
