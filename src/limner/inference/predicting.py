"""What all predictors have in common, whether they ask one model or several.

Layer: inference.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping

from limner.bundle import BundleMeta
from limner.errors import ResourceError
from limner.inference.familiarity import Strangeness
from limner.inference.inputs import Given, ModelInput
from limner.inference.prediction import Prediction


class Predicting(ABC):
    """Predicts pictures, one after another or many.

    Attributes:
        meta: What is predicted, of what.
        engine_name: What runs the networks: `torch`, `onnxruntime` or `openvino`.
        tta: The views in use, of `limner.inference.views.TTA`.
    """

    meta: BundleMeta
    engine_name: str
    tta: str

    @abstractmethod
    def make_input(self, picture: Given | Mapping[str, Given], where: str = "the picture") -> ModelInput:
        """Read if need be, check, and bring to the scale of the networks; safe to call from any thread.

        Args:
            picture: See `predict`.
            where: Name of an array in messages; a file is called by its own.
        """

    @abstractmethod
    def attempt_inputs(
        self, inputs: Iterable[ModelInput], *, probabilities: bool = True, doubts: bool = False
    ) -> Iterator[Prediction | ResourceError]:
        """As `predict_inputs`, but a picture that does not fit in memory gives its error and the rest goes on."""

    @abstractmethod
    def strangeness(self, picture: ModelInput) -> Strangeness | None:
        """How far a picture is from the training pictures; None where the model does not know them."""

    def predict(self, picture: Given | Mapping[str, Given]) -> Prediction:
        """Predict one picture, or one sample of several.

        Args:
            picture: A file (or another location, see `limner.types`), or an array `height width` or
                `height width channels` with the values of the training pictures. For a network of
                several inputs, these by name: `{"background": …, "composite": …}`.

        Raises:
            DataError: The picture cannot be read, or is of another kind than the training pictures.
            ResourceError: It does not fit in memory, even in small tiles.
        """
        return next(self.predict_many([picture]))

    def predict_many(self, pictures: Iterable[Given | Mapping[str, Given]]) -> Iterator[Prediction]:
        """Predict pictures in order, as lazily as batches allow: at most one batch is read ahead.

        Neighbours of one shape are predicted together. Raises as `predict` does.
        """
        return self.predict_inputs(
            (self.make_input(picture, f"picture {number}") for number, picture in enumerate(pictures, start=1)),
            doubts=True,
        )

    def predict_inputs(
        self, inputs: Iterable[ModelInput], *, probabilities: bool = True, doubts: bool = False
    ) -> Iterator[Prediction]:
        """Predict what `make_input` gave, in order.

        Args:
            inputs: Pictures ready for the network.
            probabilities: Whether predictions hold probabilities; masks alone are faster.
            doubts: Whether predictions say how sure they are.
        """
        for outcome in self.attempt_inputs(inputs, probabilities=probabilities, doubts=doubts):
            if isinstance(outcome, ResourceError):
                raise outcome
            yield outcome
