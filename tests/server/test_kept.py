"""Plans of archives in memory: the same for a preview and what follows, until something failed."""

import asyncio
from pathlib import Path

from bigzip import Archive
from bigzip.database.archives import NewArchive
from bigzip.server.kept import Delivery
from bigzip.server.planning import Most
from bigzip.server.service import Service
from bigzip.server.settings import Settings


def test_a_preview_is_planned_once_and_anew_after_a_failure(tmp_path: Path) -> None:
    (tmp_path / "root").mkdir()
    (tmp_path / "root" / "a.txt").write_bytes(b"abc" * 100)
    settings = Settings(root=str(tmp_path / "root"), database=str(tmp_path / "service.sqlite"))
    archives = Service(settings).archives

    async def planned() -> Delivery:
        archive = Archive(root=settings.root, method="store")
        archive.add("a.txt")
        return await archives.planned(await archives.resolved(archive, Most(None, None)))

    async def all_of_it() -> None:
        first, second = await planned(), await planned()
        assert first.plan is second.plan
        new = NewArchive(
            owner="o",
            name="a.zip",
            entries=1,
            data_bytes=300,
            content_length=first.plan.content_length,
            etag=first.plan.etag,
            delivery=first.kind,
            delivery_reason=first.reason,
            max_streams=None,
            expires=1 << 33,
        )
        kept = await archives.keep(new, first.plan, None)
        assert await archives.plan_of(kept) is first.plan
        archives.forget(kept)
        third = await planned()
        assert third.plan is not first.plan
        assert third.plan.etag == first.plan.etag
        loaded = await archives.plan_of(kept)
        assert loaded is not first.plan
        assert loaded.etag == kept.etag

    asyncio.run(all_of_it())
