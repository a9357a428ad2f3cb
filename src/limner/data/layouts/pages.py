"""Multi-page files: one page of each, or every page a sample.

Layer: data.
"""

from __future__ import annotations

from limner.data.catalog import Catalog
from limner.errors import DataError
from limner.images import is_dicom, page_location, parse_location, read_info

# Other formats hold one picture, and need not be opened to know it.
_MULTI_PAGE = (".tif", ".tiff", ".gif", ".webp", ".dcm")


def choose_page(catalog: Catalog, page: int) -> Catalog:
    """The catalog with every multi-page file reduced to one page, from 0.

    Raises:
        DataError: A file has several pages, but not this one.
    """
    return Catalog(
        ids=catalog.ids,
        inputs={name: [_at_page(location, page) for location in column] for name, column in catalog.inputs.items()},
        targets={name: [_at_page(location, page) for location in column] for name, column in catalog.targets.items()},
        groups=catalog.groups,
        splits=catalog.splits,
        facts=catalog.facts,
    )


def expand_pages(catalog: Catalog) -> Catalog:
    """The catalog with a sample for each page of multi-page files, matched in order.

    Raises:
        DataError: The files of a sample differ in their number of pages.
    """
    counts = [_common_pages(catalog, index) for index in range(len(catalog))]
    places = [(index, page) for index, count in enumerate(counts) for page in range(count)]
    expanded = catalog.subset([index for index, _ in places])
    for at, (index, page) in enumerate(places):
        if counts[index] > 1:
            expanded.ids[at] += f"_page{page:0{len(str(counts[index] - 1))}}"
            for column in (*expanded.inputs.values(), *expanded.targets.values()):
                column[at] = column[at] and page_location(column[at], page)
    return expanded


def _at_page(location: str, page: int) -> str:
    pages = _page_count(location)
    if pages == 1:
        return location
    if page >= pages:
        raise DataError(
            f"a page {page}, counted from 0, in every multi-page file",
            f"'{location}' has {pages} pages",
            f"Set data.page to 0 … {pages - 1}, or to all.",
        )
    return page_location(location, page)


def _common_pages(catalog: Catalog, index: int) -> int:
    columns = (*catalog.inputs.values(), *catalog.targets.values())
    pages = {column[index]: _page_count(column[index]) for column in columns if column[index]}
    if len(set(pages.values())) > 1:
        raise DataError(
            "as many pages in a mask as in its image",
            "other numbers",
            "Correct the files, or set data.page to one page.",
            details=[f"{count} in '{location}'" for location, count in pages.items()],
        )
    return next(iter(pages.values()))


def _page_count(location: str) -> int:
    parsed = parse_location(location)
    if parsed.page is not None or not (parsed.path.lower().endswith(_MULTI_PAGE) or is_dicom(location)):
        return 1
    return read_info(location).pages
