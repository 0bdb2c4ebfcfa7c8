"""Texts as vectors, shared by the baselines: TF-IDF fitted on training texts only, or the shipped embedding, which is fitted on nothing.

All needs scikit-learn, which the gateway does not.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from importlib import import_module
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pointsman.errors import ConfigError
from pointsman.estimators.outcomes import Query
from pointsman.evals.ranking import Matrix
from pointsman.signals.embedding import shipped

Texts = tuple[str, ...]
DIMENSIONS = 128
FOLDS = 5  # of one seed: learners come one after the other, each with all folds


def sklearn(part: str) -> Any:
    """A part of scikit-learn. Raises `ConfigError` where it is not installed."""
    try:
        return import_module(f"sklearn.{part}")
    except ImportError:
        raise ConfigError("this baseline needs scikit-learn: pip install 'pointsman[learn]', or leave it out with --baselines") from None


@lru_cache(maxsize=FOLDS)
def words(train: Texts) -> tuple[Any, Any]:
    """The vectoriser fitted on these texts, and their vectors: words and pairs of words, sublinear counts, unit length."""
    # In a handful of texts hardly any word occurs twice.
    least = 2 if len(train) >= 50 else 1
    vectoriser = sklearn("feature_extraction.text").TfidfVectorizer(sublinear_tf=True, ngram_range=(1, 2), min_df=least)
    # Two texts more, so that there is a vocabulary even where no text has a word.
    vectoriser.fit((*train, "some text", "some text"))
    return vectoriser, vectoriser.transform(train)


@lru_cache(maxsize=FOLDS)
def vectors(train: Texts, texts: Texts) -> Any:
    """Vectors of texts, by the vectoriser of the training texts."""
    return words(train)[0].transform(texts)


@lru_cache(maxsize=FOLDS)
def axes(train: Texts, seed: int) -> Matrix:
    """Latent semantic analysis of the training vectors: at most 128 leading directions, words by directions."""
    rows = words(train)[1]
    size = max(1, min(DIMENSIONS, min(rows.shape) - 1))
    _, _, directions = sklearn("utils.extmath").randomized_svd(rows, size, random_state=seed)
    return np.asarray(directions.T)


@lru_cache(maxsize=2 * FOLDS)
def meanings(texts: Texts) -> Matrix:
    """Texts in the shipped embedding."""
    return np.asarray(shipped().embed(texts), float)


def topics(train: Texts, texts: Texts, seed: int, *, embedded: bool = False) -> Matrix:
    """Texts along those directions, or in the shipped embedding: of unit length; zeros stay zeros."""
    if embedded:
        return meanings(texts)
    rows = np.asarray(vectors(train, texts) @ axes(train, seed))
    return np.asarray(rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12))


@lru_cache(maxsize=FOLDS)
def nearest(train: Texts, texts: Texts, most: int, *, embedded: bool = False) -> NDArray[np.intp]:
    """Places of the training texts of highest cosine, highest first."""
    similar = meanings(texts) @ meanings(train).T if embedded else (vectors(train, texts) @ words(train)[1].T).toarray()
    near = np.argpartition(-similar, most - 1, axis=1)[:, :most]
    order = np.argsort(-np.take_along_axis(similar, near, axis=1), axis=1, kind="stable")
    return np.asarray(np.take_along_axis(near, order, axis=1))


def texts_of(queries: Sequence[Query]) -> Texts:
    """The texts of queries; a full stop for none."""
    return tuple(query.text or "." for query in queries)
