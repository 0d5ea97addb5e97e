import subprocess
import sysconfig
from collections.abc import Mapping
from pathlib import Path
from uuid import uuid4

import pytest
from prefect.client.orchestration import get_client
from prefect.types import SecretDict
from pydantic import SecretStr

from blocks import BLOCKS, AmazonEcr, BackupStore, Database, Registry, RegistryCredentials, Trivy
from blocks.loading import find, load, load_all
from blocks.registries import load_keychain, load_login
from tasks import resources
from tests.lab.prefect import PrefectServer
from tests.lab.room import Room
from tests.lab.s3 import S3Server
from uptainer.backups.backup import exists
from uptainer.cli.prefect.registration import register_blocks
from uptainer.core.errors import InvalidInputError, NotFoundError
from uptainer.core.settings import Settings
from uptainer.images.access import PLAIN, Mirror
from uptainer.images.credential import Credential
from uptainer.images.credentials import DockerConfig, Keychain
from uptainer.images.issuing import IssuedLogins
from uptainer.images.providers.ecr import EcrLogin

pytestmark = pytest.mark.anyio
PREFECT = Path(sysconfig.get_path("scripts")) / "prefect"


async def test_every_block_is_registered_with_its_fields(prefect_server: PrefectServer) -> None:
    async with get_client() as client:
        await register_blocks(client)
        for block in BLOCKS:
            kind = await client.read_block_type_by_slug(block.get_block_type_slug())
            assert kind.description == block.get_description()
            assert str(kind.documentation_url) == str(block._documentation_url)
            schema = await client.get_most_recent_block_schema_for_block_type(kind.id)
            assert schema
            assert set(schema.fields["properties"]) == set(block.model_fields)


async def test_a_server_that_does_not_know_the_kind_has_none_of_it(room: Room) -> None:
    server = PrefectServer(room)
    try:
        with server.settings():
            assert await load_all(RegistryCredentials) == {}
            assert await find(Trivy) is None
    finally:
        server.close()


async def test_registering_twice_changes_nothing(prefect_server: PrefectServer) -> None:
    async with get_client() as client:
        await register_blocks(client)
        before = {kind.slug: kind.id for kind in await client.read_block_types()}
        await register_blocks(client)
        assert {kind.slug: kind.id for kind in await client.read_block_types()} == before


def test_prefects_own_command_registers_them_too(prefect_server: PrefectServer) -> None:
    command = [str(PREFECT), "block", "register", "-m", "blocks"]
    done = subprocess.run(
        command, env=prefect_server.env, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
    for block in BLOCKS:
        assert block.get_block_type_name() in done.stdout


async def test_a_saved_block_is_loaded_with_its_secret(prefect_server: PrefectServer) -> None:
    name = f"registry-{uuid4().hex}"
    await RegistryCredentials(registry="ghcr.io", username="u", password=SecretStr("hunter2")).save(name)
    loaded = await load(RegistryCredentials, name)
    assert loaded.credential().password == "hunter2"
    assert name in await load_all(RegistryCredentials)


async def test_the_api_does_not_show_a_secret_unasked(prefect_server: PrefectServer) -> None:
    name = f"registry-{uuid4().hex}"
    await RegistryCredentials(registry="ghcr.io", username="u", password=SecretStr("hunter2")).save(name)
    async with get_client() as client:
        shown = await client.read_block_document_by_name(name, "registry-credentials", include_secrets=False)
    assert "hunter2" not in str(shown.data)


def test_a_backup_store_is_opened_by_its_blocks_name_with_its_keys(
    prefect_server: PrefectServer, s3: S3Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = f"offsite-{uuid4().hex[:8]}"
    saved = BackupStore(
        url=f"{s3.bucket}/{name}", options=SecretDict(s3.options), passphrase=SecretStr("hunter2")
    ).save(name)
    assert saved
    monkeypatch.setattr(resources, "settings", lambda: Settings(data_dir=tmp_path))
    opened = resources.stores()(name)
    assert opened.block == name
    assert opened.seal is not None
    location = opened.new("h", "w", "b")
    with opened.files.draft(location.place) as draft:
        draft.publish("manifest.json", b"{}")
    assert exists(location)
    assert resources.stores()("").new("h", "w", "b").place.startswith(str(tmp_path))
    with pytest.raises(NotFoundError, match=r"no Backup store block 'missing'.*under Blocks"):
        resources.stores()("missing")


async def test_a_backup_stores_options_are_not_shown_unasked(
    prefect_server: PrefectServer, s3: S3Server
) -> None:
    name = f"offsite-{uuid4().hex[:8]}"
    await BackupStore(url=s3.bucket, options=SecretDict({"secret": "hunter2"})).save(name)
    async with get_client() as client:
        shown = await client.read_block_document_by_name(name, "backup-store", include_secrets=False)
    assert "hunter2" not in str(shown.data)


async def test_all_blocks_of_a_kind_are_loaded_and_no_others(prefect_server: PrefectServer) -> None:
    names = {f"trivy-{uuid4().hex}" for _ in range(3)}
    for name in names:
        await Trivy(server_url="http://127.0.0.1:4954").save(name)
    assert names <= set(await load_all(Trivy))
    assert not names & set(await load_all(Database))


async def test_an_optional_block_that_is_not_there_is_no_fault(prefect_server: PrefectServer) -> None:
    assert await find(Database, f"none-{uuid4().hex}") is None


async def test_a_named_block_that_is_not_there_is_said_with_where_to_make_it(
    prefect_server: PrefectServer,
) -> None:
    with pytest.raises(NotFoundError, match=r"no Registry credentials block 'missing'.*under Blocks"):
        await load(RegistryCredentials, "missing")


async def test_a_block_that_does_not_fit_any_more_is_said_to_be_wrong(prefect_server: PrefectServer) -> None:
    name = f"database-{uuid4().hex}"
    broken = Database.model_construct(url=SecretStr("mysql://u:hunter2@host/name"))
    await broken.save(name)
    with pytest.raises(
        InvalidInputError, match=rf"Uptainer database block '{name}' is wrong: url"
    ) as refused:
        await load(Database, name)
    assert "hunter2" not in str(refused.value)


async def test_every_kind_of_login_is_found_by_its_registry_and_the_chosen_one_counts(
    prefect_server: PrefectServer,
) -> None:
    mark = uuid4().hex[:8]
    own, other, cloud = (
        f"own-{mark}.example",
        f"other-{mark}.example",
        "123456789012.dkr.ecr.eu-west-1.amazonaws.com",
    )
    for name, user in (("a", "first"), ("b", "second")):
        await RegistryCredentials(registry=own, username=user, password=SecretStr("p")).save(f"{name}-{mark}")
    await AmazonEcr(registry=cloud, access_key_id="A", secret_access_key=SecretStr("hunter2")).save(
        f"c-{mark}"
    )
    await Registry(registry=other, mirrors=[own], other_hosts=["10.1.0.0/16"]).save(f"d-{mark}")

    async def keychain(chosen: Mapping[str, str]) -> Keychain:
        return await load_keychain(chosen, DockerConfig(Path("none")), IssuedLogins())

    assert await (await keychain({})).find(own) == Credential("second", "p")
    found = await keychain({own: f"a-{mark}"})
    assert await found.find(own) == Credential("first", "p")
    assert await found.find(other) is None
    assert found.access(other).mirrors == (Mirror(own),)
    lacking = await keychain({own: f"c-{mark}"})
    with pytest.raises(InvalidInputError, match=f"should be in the block 'c-{mark}', which is not there"):
        await lacking.find(own)
    assert await lacking.find(other) is None

    login = await load_login(f"c-{mark}")
    assert login.login() == EcrLogin(cloud, "A", "hunter2")
    with pytest.raises(NotFoundError, match=r"Amazon ECR.*under Blocks"):
        await load_login("missing")

    await RegistryCredentials(registry=own, username="u", password=SecretStr("p")).save(f"c-{mark}")
    with pytest.raises(InvalidInputError, match="several blocks"):
        await load_login(f"c-{mark}")
    again = f"e-{mark}"
    await Registry(registry=other).save(again)
    doubled = await keychain({})
    with pytest.raises(InvalidInputError, match=f"'d-{mark}' and '{again}' both say how {other} is reached"):
        doubled.access(other)
    assert doubled.access(own) == PLAIN
    await Registry.adelete(again)


async def test_a_broken_block_is_a_fault_of_its_own_registry_and_of_no_other(
    prefect_server: PrefectServer,
) -> None:
    mark = uuid4().hex[:8]
    own, other = f"own-{mark}.example", f"other-{mark}.example"
    names = [f"{kind}-{mark}" for kind in ("login", "spare", "access")]
    login, spare, access = names
    await RegistryCredentials.model_construct(registry=own, username="u").save(login)
    await Registry.model_construct(registry=f"https://{other}/path", mirrors=[]).save(access)
    issued = IssuedLogins()
    found = await load_keychain({}, DockerConfig(Path("none")), issued)
    with pytest.raises(InvalidInputError, match=f"Registry credentials block '{login}' is wrong"):
        await found.find(own)
    with pytest.raises(InvalidInputError, match=f"Registry block '{access}' is wrong: registry"):
        found.access(other)
    assert await found.find(f"third-{mark}.example") is None

    await RegistryCredentials(registry=own, username="u", password=SecretStr("p")).save(spare)
    chosen = await load_keychain({own: spare}, DockerConfig(Path("none")), issued)
    assert await chosen.find(own) == Credential("u", "p")
    for name in (login, spare):
        await RegistryCredentials.adelete(name)
    await Registry.adelete(access)
