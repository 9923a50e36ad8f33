"""API operations on content: files and trees by digest, and the rules for images."""

from typing import Any, cast

from django.http import HttpRequest, HttpResponse, JsonResponse
from ninja import Query, Router

from studio.accounts.access import require_operator, workspace_for
from studio.api.bodies import RequestBody
from studio.assets import services
from studio.assets.lists import IMAGE_RULES
from studio.assets.models import ImageRule
from studio.core.errors import ProblemError
from studio.tables.operations import list_query, listed_rows

router = Router(tags=["content"])
ImageRulesQuery: Any = list_query(IMAGE_RULES)


class TreeFileIn(RequestBody):
    """One file of a tree."""

    path: str
    size: int
    digest: str
    mode: int = 420


class TreeIn(RequestBody):
    """A folder: its files by content."""

    files: list[TreeFileIn]


class ImageRuleIn(RequestBody):
    """Which image stands in for names that match `pattern` (* for any run of characters)."""

    pattern: str
    image: str
    note: str = ""
    position: int = 100


@router.put("/workspaces/{workspace}/blobs/{digest}", response={201: dict[str, Any]})
def put_blob(request: HttpRequest, workspace: str, digest: str) -> tuple[int, dict[str, Any]]:
    """Bring in one file's content; sending it again changes nothing."""
    space = workspace_for(request.user, workspace, "contributor")
    blob = services.take_blob(space, digest, cast(Any, request))
    return 201, {"digest": blob.digest, "size": blob.size}


@router.api_operation(["HEAD"], "/workspaces/{workspace}/blobs/{digest}")
def has_blob(request: HttpRequest, workspace: str, digest: str) -> HttpResponse:
    """Answer 200 when the workspace has this content, else 404."""
    space = workspace_for(request.user, workspace)
    if services.missing_blobs(space, [digest]):
        raise ProblemError("not-found")
    return HttpResponse(content_type="application/json")


@router.post("/workspaces/{workspace}/trees", response={201: dict[str, Any]})
def post_tree(request: HttpRequest, workspace: str, given: TreeIn) -> Any:
    """Bring in a folder whose files are here; 409 with `missing` names the content still to be sent."""
    space = workspace_for(request.user, workspace, "contributor")
    answer = services.take_tree(space, given.model_dump())
    if isinstance(answer, list):
        problem = ProblemError("tree-incomplete", count=len(answer)).as_dict() | {"missing": answer}
        return JsonResponse(problem, status=409, content_type="application/problem+json")
    return 201, {"digest": answer.digest, "count": answer.count, "size": answer.size}


@router.get("/image-rules")
def list_image_rules(request: HttpRequest, given: Query[ImageRulesQuery]) -> dict[str, Any]:
    """List which images stand in for which names, in the order in which they are tried; everyone signed in may see them."""
    if given.view:
        # The list's page, and so what is kept of it, is the operators'.
        require_operator(request.user)
    return listed_rows(request, IMAGE_RULES, ImageRule.objects.all(), given, show=_shown)


@router.put("/image-rules")
def put_image_rule(request: HttpRequest, given: ImageRuleIn) -> dict[str, Any]:
    """Make or change a rule; for operators."""
    require_operator(request.user)
    return _shown(services.set_image_rule(request.user, **given.model_dump()))


@router.delete("/image-rules/{rule_id}", response={204: None})
def remove_image_rule(request: HttpRequest, rule_id: int) -> tuple[int, None]:
    """Remove a rule; for operators."""
    require_operator(request.user)
    rule = ImageRule.objects.filter(pk=rule_id).first()
    if rule is None:
        raise ProblemError("not-found")
    services.delete_image_rule(request.user, rule)
    return 204, None


def _shown(rule: ImageRule) -> dict[str, Any]:
    return {"id": rule.pk, "position": rule.position, "pattern": rule.pattern, "image": rule.image, "note": rule.note}
