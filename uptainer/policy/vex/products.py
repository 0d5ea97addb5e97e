"""From the package URLs of a document to products, or why they can be none of ours."""

from collections.abc import Iterable, Sequence

from packageurl import PackageURL

from uptainer.policy.vex.statements import Product

NO_PRODUCT = "none of its products is an image or a package by its package URL"


def make_products(product: object, components: Sequence[PackageURL | None]) -> tuple[Product, ...]:
    """Of one product with its components. One that is no purl narrows it to nothing, and never to everything."""
    if not isinstance(product, PackageURL):
        return ()
    if product.type == "oci":
        if not components:
            return (Product(product),)
        return tuple(Product(product, each) for each in components if each is not None)
    # A package of no version is every version there ever was, which nobody can state.
    return (Product(None, product),) if product.version and not components else ()


def join(products: Iterable[tuple[Product, ...]]) -> tuple[Product, ...]:
    return tuple(dict.fromkeys(each for some in products for each in some))
