"""From the package URLs of a document to products, or why they can be none of ours."""

from collections.abc import Iterable, Sequence

from packageurl import PackageURL

from uptainer.policy.vex.measure import Measure
from uptainer.policy.vex.statements import EXCUSING, Product, VexStatus

NO_PRODUCT = "none of its products is an image or a package by its package URL"


def make_products(
    product: object, components: Sequence[PackageURL | None], status: VexStatus
) -> tuple[Product, ...]:
    """Of one product with its components. Where one is no purl, what excuses is narrowed by it to nothing, and what does
    not excuse is said of the whole image: in doubt a vulnerability counts.
    """
    if not isinstance(product, PackageURL):
        return ()
    excuses = status in EXCUSING
    if product.type == "oci":
        if not components or (None in components and not excuses):
            return (Product(product),)
        return tuple(Product(product, each) for each in components if each is not None)
    # A package of no version is every version there ever was, of which nobody can state that it is well.
    return (Product(None, product),) if (product.version or not excuses) and not components else ()


def join(measure: Measure, products: Iterable[tuple[Product, ...]]) -> tuple[Product, ...]:
    """Raises InvalidInputError: they are too many."""
    found: list[Product] = []
    for some in products:
        measure.take(len(some))
        found += some
    return tuple(found)
