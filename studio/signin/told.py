"""A problem while signing in: nobody is there yet whose frame could be shown around it."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from studio.core.errors import ProblemError
from studio.core.middleware import problem_response


def told(request: HttpRequest, problem: ProblemError) -> HttpResponse:
    """Return the page of a problem: with the studio's frame for a signed-in person, else alone, with the way back."""
    response = problem_response(request, problem)
    assert response is not None
    if request.user.is_authenticated or request.path.startswith("/api/"):
        return response
    alone = render(request, "account/problem.html", {"problem": problem, "request_id": getattr(request, "id", "")}, status=problem.status)
    if "Retry-After" in response:
        alone["Retry-After"] = response["Retry-After"]
    return alone
