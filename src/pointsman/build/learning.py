"""What was learned, read from the files that a configuration names: intents, classifiers and a bundle of estimates.

Files are read once for a snapshot and its world, so that the snapshot names what its decisions were made with.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from pointsman import native
from pointsman.build.embedding import embedder_files, embedder_of, whole, whole_and_end
from pointsman.build.files import content as file_content
from pointsman.config.schema import Config, LearnedConfig
from pointsman.core.answer import Confident, Grade
from pointsman.core.outlook import Heard, Opening, Outlook, Prospects
from pointsman.core.prices import PICO
from pointsman.core.signals import Prediction, Predictor
from pointsman.core.snapshot import NOTHING_LEARNED, Learned
from pointsman.core.worth import Further
from pointsman.errors import ConfigError
from pointsman.estimators.prior import wilson_low
from pointsman.gateway.reading import Guessers, Reader
from pointsman.signals.meaning import Meaning

if TYPE_CHECKING:
    from pointsman.catalogue.embedder import Embedder
    from pointsman.estimators.blend import Blended, Row
    from pointsman.estimators.tabular import Vector
    from pointsman.signals.classifier import Classifier

_NEIGHBOURS = 3  # named in a record
_DECIMALS = 4
_MOST_TOKENS, _MOST_MS, _MOST_PICOUSD = 10**8, 10**9, 10**6 * PICO  # of one answer: whatever a file says
_SLOWLY = (
    "learned: the compiled core is not there, or older than its source, and decisions take 1.7 times as long: "
    "install pointsman anew where a C compiler and Python's headers are"
)
_UNTRIED = "asked last, by prior alone, but for the share of requests that `learned.explore` names"


@dataclass(frozen=True, slots=True, eq=False)
class Learning:
    """What was learned, and its names."""

    names: Learned = NOTHING_LEARNED
    meaning: Meaning | None = field(default=None, repr=False)
    predictor: Predictor | None = field(default=None, repr=False)
    confident: Confident | None = field(default=None, repr=False)
    outlook: Outlook | None = field(default=None, repr=False)
    reader: Reader | None = field(default=None, repr=False)  #: where `meaning` and `predictor` take a call
    remarks: tuple[str, ...] = ()  #: what to know of it before it is relied on


NOTHING = Learning()


def learning_of(config: Config) -> Learning:
    """Read and fit what a configuration names (0.2 s for a hundred examples). Raises `ConfigError` for a file that cannot be used."""
    files = _classifier_files(config)
    told = config.learned or LearnedConfig()
    if not config.intents and not files and told == LearnedConfig():
        return NOTHING
    embedder = embedder_of(config)
    contents = {name: _read(f"classifiers.{name}", path) for name, path in files.items()}
    bundle = _read("learned.bundle", told.bundle) if told.bundle else None
    judged = _read("learned.confidence", told.confidence) if told.confidence else None
    learned, remarks = (None, ()) if bundle is None else _estimates(config, told, bundle, embedder)
    names = Learned(
        embedder=embedder.name,
        intents=_name(json.dumps([config.intents, config.intents_keep]).encode()) if config.intents else "",
        classifiers={name: _name(content) for name, content in contents.items()},
        bundle="" if bundle is None else _name(bundle),
        confidence="" if judged is None else _name(judged),
    )
    confident, outlook, doubts = (None, None, ()) if judged is None else _confident(config, told, judged)
    meaning, said = _meaning(config, files, contents, embedder), (*remarks, *doubts, *((_SLOWLY,) if native.missing else ()))
    if config.embedding.kind != "remote":
        return Learning(names, meaning, None if learned is None else learned.using(embedder), confident, outlook, remarks=said)
    reader = None if meaning is None and learned is None else _reader(embedder, meaning, learned)
    return Learning(names, None, None, confident, outlook, reader, said)


def _reader(embedder: Embedder, meaning: Meaning | None, learned: _Estimates | None) -> Reader:
    """What is done with vectors that come with a request."""

    def guessers(known: Embedder) -> Guessers:
        return None if meaning is None else partial(meaning, embedder=known), None if learned is None else learned.using(known)

    return Reader(embedder.name, embedder.dims, whole_and_end if learned is not None and learned.reads_ends else whole, guessers)


def learned_files(config: Config) -> tuple[Path, ...]:
    """The files that `learning_of` reads."""
    told = config.learned or LearnedConfig()
    named = tuple(Path(file) for file in (*_classifier_files(config).values(), told.bundle, told.confidence) if file)
    return (*named, *embedder_files(config))


def _classifier_files(config: Config) -> dict[str, str]:
    said = config.classifiers
    return {each.name: path for each in fields(said) if (path := getattr(said, each.name))}


def _read(setting: str, path: str) -> bytes:
    try:
        return file_content(Path(path))
    except OSError as error:
        cure = ": train it with `pointsman train`" if isinstance(error, FileNotFoundError) else ""
        raise ConfigError(f"{setting}: {path}: cannot be read: {error.strerror}{cure}") from error


def _name(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def _meaning(config: Config, files: Mapping[str, str], contents: Mapping[str, bytes], embedder: Embedder) -> Meaning | None:
    if not config.intents and not contents:
        return None
    from pointsman.signals import intents

    tasks = {*config.tasks, *(task for model in config.models for task in model.quality)}
    known = intents.fit(config.intents, embedder, config.intents_keep) if config.intents else None
    loaded = {name: _classifier(f"classifiers.{name}: {files[name]}", content, embedder) for name, content in contents.items()}
    return Meaning(embedder, known, loaded.get("task"), loaded.get("domain"), loaded.get("difficulty"), frozenset(tasks))


def _classifier(place: str, content: bytes, embedder: Embedder) -> Classifier:
    from pointsman.signals import classifier

    try:
        return classifier.load(content, embedder)
    except ConfigError as error:
        raise ConfigError(f"{place}: {error}") from error


@dataclass(frozen=True, slots=True, eq=False)
class _Estimates:
    """What a bundle says, and of which models."""

    fitted: Blended
    columns: Mapping[str, int]
    means: Mapping[str, Prediction] | None = None  #: of quality these, in place of what is said by query

    def using(self, embedder: Embedder) -> Predictor:
        """Predictions from the vectors of this embedder."""
        return _by_query(replace(self.fitted, embedder=embedder), self.columns, self.means)

    @property
    def reads_ends(self) -> bool:
        """Whether the end of a text is read by itself besides."""
        return self.fitted.mixture is not None and self.fitted.mixture.holds


def _estimates(config: Config, said: LearnedConfig, content: bytes, embedder: Embedder) -> tuple[_Estimates, tuple[str, ...]]:
    """Predictions by query where the bundle's verdict says that they are worth it, else the models' means, with a remark."""
    from pointsman.estimators import bundle
    from pointsman.estimators.blend import Blended

    place = f"learned.bundle: {said.bundle}"
    try:
        fitted = bundle.load(content, embedder)
    except ConfigError as error:
        raise ConfigError(f"{place}: {error}") from error
    if not isinstance(fitted, Blended):
        raise ConfigError(f"{place}: holds no blend: write it with `pointsman train quality`")
    columns, remarks = _columns(config, said, fitted.models, place)
    remarks += tuple(_of_few(fitted, columns, place))
    if fitted.verdict.routes:
        return _Estimates(fitted, columns), remarks
    means = {one.model: one for one in _means(fitted, columns)}
    return _Estimates(fitted, columns, means), (*remarks, f"{place}: {fitted.verdict.said}: every request gets the models' mean qualities")


def _confident(config: Config, said: LearnedConfig, content: bytes) -> tuple[Confident, Outlook, tuple[str, ...]]:
    """How likely an answer is right, and what several tell together; a remark names the models that the file never saw."""
    from pointsman.estimators import confidence_file
    from pointsman.estimators.outlook import outlook

    place = f"learned.confidence: {said.confidence}"
    try:
        learned = confidence_file.load(content)
    except ConfigError as error:
        raise ConfigError(f"{place}: {error}") from error

    for model, name in said.models.items():
        if learned.models and name not in learned.models:
            raise ConfigError(f"learned.models.{model}: {said.confidence} knows no `{name}`: name one of {', '.join(learned.models)}")

    def confident(model: str, task: str, prior: float, grades: tuple[Grade, ...], question: str, answer: str) -> float:
        return learned.predict(said.models.get(model, model), task, prior, grades, answer, question)

    def ahead(heard: Sequence[Heard], further: Sequence[tuple[str, float]], question: str) -> Prospects:
        named = [replace(one, model=said.models.get(one.model, one.model)) for one in heard]
        return outlook(learned, named, [(said.models.get(model, model), expected) for model, expected in further], question)

    def begin(task: str, offers: Sequence[Further], worth_usd: float, most: int) -> Opening | None:
        return learned.openings.begin(task, offers, worth_usd, most, said.models)

    unseen = [f"`{model.id}`" for model in config.models if said.models.get(model.id, model.id) not in learned.models]
    doubt = f"{place}: never saw answers of {', '.join(unseen)}: they are judged by their looks, as the mean of all models"
    return confident, Outlook(ahead, begin), (doubt,) if unseen and learned.learned else ()


def _columns(config: Config, said: LearnedConfig, known: tuple[str, ...], place: str) -> tuple[dict[str, int], tuple[str, ...]]:
    """Where each model of the pool stands in the bundle; a remark names those that it does not know."""
    for model, name in said.models.items():
        if name not in known:
            raise ConfigError(f"learned.models.{model}: the bundle knows no `{name}`: name one of {', '.join(known)}")
    names = {model.id: said.models.get(model.id, model.id) for model in config.models}
    columns = {model: known.index(name) for model, name in names.items() if name in known}
    if not columns:
        raise ConfigError(f"{place}: knows {', '.join(known)}, none of them a model here: say under `learned.models` which is which")
    unknown = [f"`{model}`" for model in names if model not in columns]
    return columns, (f"{place}: does not know {', '.join(unknown)}: {_UNTRIED}",) if unknown else ()


def _of_few(fitted: Blended, columns: Mapping[str, int], place: str) -> Iterator[str]:
    """What is to be said of models that the bundle knows by little, or by nothing."""
    labels = fitted.table.quality.count[-1]
    if silent := [f"`{model}`" for model, at in columns.items() if not labels[at]]:
        yield f"{place}: has no outcome of {', '.join(silent)}: {_UNTRIED}"
    few = [f"`{model}` ({count:,})" for model, at in columns.items() if (count := fitted.borrowing.get(fitted.models[at]))]
    if few:
        yield f"{place}: has few outcomes of {', '.join(few)}: what they give is reckoned from what the others do"


def _means(fitted: Blended, columns: Mapping[str, int]) -> tuple[Prediction, ...]:
    quality = fitted.table.quality
    mean, count = quality.overall().tolist(), quality.count[-1].tolist()
    return tuple(
        _prediction(model, mean[at], wilson_low(mean[at], int(count[at])), count[at]) for model, at in columns.items() if count[at]
    )


def _by_query(fitted: Blended, columns: Mapping[str, int], means: Mapping[str, Prediction] | None = None) -> Predictor:
    """What is expected of each request; with `means`, of quality those, since only what it costs was found to differ."""
    from pointsman.estimators.outcomes import Query

    def predict(text: str, task: str, tools: str) -> tuple[tuple[Prediction, ...], tuple[str, ...]]:
        row, near = fitted.explained(Query("", text, task=task, tools=tools), most=_NEIGHBOURS)
        predicted = _predictions(row, columns)
        if means is not None:
            return tuple([_of_mean_quality(one, means[one.model]) for one in predicted if one.model in means]), ()
        return predicted, tuple([one.query_id for one in near])

    return predict


def _of_mean_quality(one: Prediction, mean: Prediction) -> Prediction:
    return Prediction(one.model, mean.quality, mean.low, mean.evidence, one.output_tokens, one.cost_picousd, one.latency_ms)


def _predictions(row: Row, columns: Mapping[str, int]) -> tuple[Prediction, ...]:
    """Models without any outcome are left out: their priors stand."""
    import numpy as np  # it is there already, where something was learned

    unit = 10.0**_DECIMALS
    quality, low = (np.rint(np.minimum(np.maximum((row.quality, np.minimum(row.low, row.quality)), 0), 1) * unit) / unit).tolist()
    tokens, latency = _whole(row.output_tokens, _MOST_TOKENS), _whole(row.latency_s * 1000, _MOST_MS)
    cost: Sequence[int | None] = (None,) * len(tokens)
    if None in tokens:
        cost = [known if length is None else None for known, length in zip(_whole(row.cost_usd * PICO, _MOST_PICOUSD), tokens, strict=True)]
    evidence = np.maximum(np.rint(row.evidence), row.evidence > 0).astype(np.int64).tolist()
    told = tuple(zip(quality, low, evidence, tokens, cost, latency, strict=True))
    return tuple([Prediction(model, *told[at]) for model, at in columns.items() if evidence[at]])


def _whole(values: Vector, most: int) -> Sequence[int | None]:
    """Whole numbers from 0 to the most that can be meant, and `None` for what is not known."""
    import numpy as np

    found = np.rint(np.minimum(np.maximum(values, 0), most))
    if not np.isnan(found).any():
        whole: list[int | None] = found.astype(np.int64).tolist()
        return whole
    return [None if one != one else int(one) for one in found.tolist()]


def _prediction(model: str, quality: float, low: float, evidence: float) -> Prediction:
    return Prediction(model, round(quality, _DECIMALS), round(min(low, quality), _DECIMALS), max(1, round(evidence)))
