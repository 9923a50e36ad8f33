"""The operators' page on images: which image stands in for which name."""

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import get_object_or_404, redirect
from django.views.decorators.http import require_http_methods, require_POST

from studio.accounts.http import operator_view
from studio.assets import services
from studio.assets.lists import IMAGE_RULES, rule_lines
from studio.assets.models import ImageRule
from studio.core.errors import ProblemError
from studio.tables.page import list_page


@require_http_methods(["GET", "POST"])
@operator_view
def image_rules(request: HttpRequest) -> HttpResponseBase:
    """Show the rules; add or change one; try a name against them."""
    given = {name: request.POST.get(name, "") for name in ("pattern", "image", "note", "position")}
    problem = None
    if request.method == "POST":
        # More digits than these are clipped like any other that is too large.
        position = int(given["position"][:9]) if given["position"].isdecimal() else 100
        try:
            rule = services.set_image_rule(
                request.user, pattern=given["pattern"], image=given["image"], note=given["note"], position=position
            )
        except ProblemError as error:
            problem = error
        else:
            messages.success(request, f"{rule.pattern} now stands for {rule.image}.")
            return redirect("assets:image-rules")
    tried = request.GET.get("try", "").strip()
    context = {
        "here": "Images",
        "given": given,
        "problem": problem,
        "tried": tried,
        "found": services.image_for(tried) if tried else None,
    }
    rows = ImageRule.objects.all()
    answer = list_page(request, IMAGE_RULES, "assets/image_rules.html", rows=rows, lines=rule_lines, context=context)
    answer.status_code = 422 if problem else answer.status_code
    return answer


@require_POST
@operator_view
def delete_image_rule(request: HttpRequest, rule_id: int) -> HttpResponse:
    """Remove a rule."""
    rule = get_object_or_404(ImageRule, pk=rule_id)
    services.delete_image_rule(request.user, rule)
    messages.success(request, f"The rule for {rule.pattern} is gone.")
    return redirect("assets:image-rules")
