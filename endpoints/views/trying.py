"""Try an endpoint from the page: a body, a deployment, and what comes back."""

from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_http_methods

from endpoints import calling
from endpoints.models import Endpoint
from endpoints.selectors import deployments_of, endpoint_for
from endpoints.views.parts import endpoint_page, head_of, may_act
from studio.accounts.http import workspace_view
from studio.accounts.models import Workspace
from studio.core.errors import ProblemError
from studio.core.texts import in_lines, read_json

EXAMPLE = '{\n  "data": [[5.1, 3.5, 1.4, 0.2]]\n}'
# What a status means for somebody who tries; others speak for themselves.
MEANS = {
    400: "The model did not understand the body.",
    401: "The router did not take the key: it may have been regenerated a moment ago.",
    404: "The router does not know the address yet, or the deployment has no such path.",
    408: "The request took too long to arrive.",
    413: "The body is larger than the server takes.",
    424: "The scoring script raised an error: its log says where.",
    429: "All replicas are busy and the queue is full: send less at once, or scale the deployment.",
    500: "The server failed: its log says why.",
    502: "The scoring script raised an error: its log says where.",
    503: "No replica could take the request: none is ready, or all queues are full.",
    504: "The model took longer than the request's time limit.",
}


@require_http_methods(["GET", "POST"])
@workspace_view("reader")
def test(request: HttpRequest, workspace: Workspace, name: str) -> HttpResponse:
    """Show the body editor; send what was typed and show the answer in place."""
    endpoint = endpoint_for(workspace, name)
    example = request.GET.get("part") == "example"
    if (request.method == "POST" or example) and not may_act(workspace):
        raise ProblemError("not-allowed", needed="the role contributor")
    if example:
        return render(request, "endpoints/example.html", _example(request, endpoint))
    rows = deployments_of(endpoint)
    asked = request.POST.get("deployment", request.GET.get("deployment", ""))
    context: dict[str, Any] = {
        "deployments": rows,
        "asked": asked if asked in {row.name for row in rows} else "",
        "body": request.POST.get("body", EXAMPLE),
        "typed": request.method == "POST",
        "memory": f"{request.user.pk}:{endpoint.pk}",
        "usable": any(row.good_id for row in rows),
        "may_send": may_act(workspace),
    }
    if request.method == "POST":
        context |= answer_to(request, endpoint, context["asked"], context["body"])
        if request.htmx:  # type: ignore[attr-defined]
            return render(request, "endpoints/answer.html", {**head_of(workspace, endpoint), **context})
    return endpoint_page(request, "endpoints/test.html", workspace, endpoint, "test", context)


def answer_to(request: HttpRequest, endpoint: Endpoint, deployment: str, body: str) -> dict[str, Any]:
    """Send the body and return what the page shows of the answer, or the problem in place of one."""
    try:
        answer = calling.call_endpoint(request.user, endpoint, body=body.encode(), deployment=deployment)
    except ProblemError as error:
        return {"answer": None, "problem_of_call": error}
    text, pretty = shown(answer.body, answer.headers)
    return {
        "answer": answer,
        "answer_tone": "good" if answer.status < 400 else "look" if answer.status < 500 else "wrong",
        "answer_text": text,
        "answer_pretty": pretty,
        "answer_means": MEANS.get(answer.status, "") if answer.status >= 400 else "",
        "answer_headers": sorted(answer.headers.items()),
        "answer_size": len(answer.body),
    }


def shown(body: bytes, headers: dict[str, str]) -> tuple[str, bool]:
    """Return the body as text, indented where it is JSON; bytes that are no text are only counted."""
    try:
        text = body.decode()
    except UnicodeDecodeError:
        return f"{len(body):,} bytes that are no text", False
    if "json" in headers.get("content-type", headers.get("Content-Type", "")) or text[:1] in "[{":
        try:
            lines = in_lines(read_json(text), len(text))
            return (lines, True) if lines is not None else (text, False)
        except ValueError:
            return text, False
    return text, False


def _example(request: HttpRequest, endpoint: Endpoint) -> dict[str, Any]:
    """Return a body as the deployment's own description gives one (`/swagger.json`)."""
    try:
        answer = calling.call_endpoint(
            request.user, endpoint, body=b"", deployment=request.GET.get("deployment", ""), path="swagger.json", method="GET"
        )
        found = example_in(read_json(answer.body)) if answer.status == 200 else None
    except (ProblemError, ValueError, AttributeError, TypeError):
        # The model says it, and may say anything in any place.
        found = None
    if found is None:
        messages.info(request, "The deployment's description holds no example of a body.")
    body = (in_lines(found, 20_000) if found is not None else None) or EXAMPLE
    return {"body": body, "memory": f"{request.user.pk}:{endpoint.pk}", "typed": True}


def example_in(described: Any) -> Any:
    """Return the example of a request's body in a Swagger 2 or OpenAPI 3 description; None when it has none."""
    paths = described.get("paths") if isinstance(described, dict) else None
    for methods in (paths or {}).values():
        post = methods.get("post") if isinstance(methods, dict) else None
        if not isinstance(post, dict):
            continue
        given = ((post.get("requestBody") or {}).get("content") or {}).get("application/json") or {}
        bodies = [one for one in post.get("parameters") or [] if isinstance(one, dict) and one.get("in") == "body"]
        for place in (given, given.get("schema") or {}, *(one.get("schema") or {} for one in bodies)):
            resolved = _referred(described, place)
            if "example" in resolved:
                return resolved["example"]
    return None


def _referred(described: dict[str, Any], schema: Any) -> dict[str, Any]:
    reference = schema.get("$ref") if isinstance(schema, dict) else None
    found: Any = described
    for part in str(reference).removeprefix("#/").split("/") if reference else ():
        found = found.get(part, {}) if isinstance(found, dict) else {}
    return found if reference and isinstance(found, dict) else schema if isinstance(schema, dict) else {}
