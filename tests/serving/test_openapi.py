"""The API's description is true: requests made from it, and against it, are answered as it says."""

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from schemathesis import GenerationMode
from schemathesis.checks import load_all_checks
from schemathesis.specs.openapi.checks import positive_data_acceptance

from limner.workflow.open import show_run

load_all_checks()

# The server draws random numbers in threads of this process, which Hypothesis takes for the doing of a strategy.
pytestmark = pytest.mark.filterwarnings("ignore:Do not use the `random` module")

_MODES = (GenerationMode.POSITIVE, GenerationMode.NEGATIVE)
_PATHS = ("/health", "/metrics", "/v1/batch", "/v1/dataset", "/v1/models", "/v1/predict", "/v1/rank", "/v1/train")


def _check(server, examples, paths=_PATHS):
    """Make requests from the description, half of them wrong on purpose, and compare the answers with it."""
    schema = schemathesis.openapi.from_url(f"{server.url}/openapi.json")
    seen = set()
    for result in schema.get_all_operations():
        operation = result.ok()
        seen.add(operation.path)
        modes = [
            operation.as_strategy(generation_mode=mode) for mode in (GenerationMode.POSITIVE, GenerationMode.NEGATIVE)
        ]

        @settings(max_examples=examples, deadline=None, database=None, suppress_health_check=list(HealthCheck))
        @given(case=modes[0] if operation.method == "get" else st.one_of(modes))
        def check(case):
            # Most bytes are no picture, and are refused though the description allows them.
            case.call_and_validate(excluded_checks=[positive_data_acceptance], timeout=30)

        check()
    assert seen >= set(paths)
    assert server.ask("/health").status == 200


def test_requests_made_from_the_description(serve, every_task, tmp_path):
    _check(serve(models={"m": every_task("unet")}, save=tmp_path), 3)


def test_requests_for_a_run_made_from_the_description(serve, trained):
    shown, bundles = show_run(trained.folder)
    server = serve(models=bundles, run=shown)
    _check(server, 3, [f"/v1/run{path}" for path in ("", "/samples", "/sample", "/picture", "/thumbnail", "/rate")])


@pytest.mark.slow
def test_many_requests_made_from_the_description(serve, every_task, tmp_path):
    _check(serve(models={"m": every_task("unet")}, save=tmp_path), 60)
