"""A real S3 server (moto's, over HTTP) on a free loopback port, which checks signatures and rights as Amazon's does."""

import json
import os
import sys
from collections.abc import Mapping
from typing import Any

from tests.lab.room import Room, accepts_connections, free_port, start_process, stop_process, wait_until

BUCKET = "lab-backups"
REGION = "us-east-1"
_ALL = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "s3:*", "Resource": "*"}]}
_FREE_ACTIONS = 3
"""So many calls are let in without a right, to make the account that has them."""


class S3Server:
    """`options` are what fsspec's S3 file system is opened with, and `bucket` the URL of an empty bucket."""

    def __init__(self, room: Room) -> None:
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.bucket = f"s3://{BUCKET}"
        command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(self.port)]
        environment = os.environ | {"INITIAL_NO_AUTH_ACTION_COUNT": str(_FREE_ACTIONS)}
        self._process = start_process(command, log=room.directory("s3") / "log", env=environment)
        try:
            wait_until(lambda: accepts_connections(self.port), what="the S3 server did not answer")
            self.options = self._account()
            self.client = self._client("s3", self.options)
            self.client.create_bucket(Bucket=BUCKET)
        except BaseException:
            self.close()
            raise

    @property
    def pid(self) -> int:
        return self._process.pid

    def keys(self, prefix: str = "") -> list[str]:
        found = self.client.list_objects_v2(Bucket=BUCKET, Prefix=prefix)
        return [each["Key"] for each in found.get("Contents", [])]

    def uploads(self) -> list[str]:
        """The keys of what was begun and neither completed nor taken back."""
        found = self.client.list_multipart_uploads(Bucket=BUCKET)
        return [each["Key"] for each in found.get("Uploads", [])]

    def read(self, key: str) -> bytes:
        content: bytes = self.client.get_object(Bucket=BUCKET, Key=key)["Body"].read()
        return content

    def write(self, key: str, content: bytes) -> None:
        self.client.put_object(Bucket=BUCKET, Key=key, Body=content)

    def close(self) -> None:
        stop_process(self._process)

    def _account(self) -> dict[str, Any]:
        iam = self._client("iam", {"key": "first", "secret": "first"})
        iam.create_user(UserName="lab")
        iam.put_user_policy(UserName="lab", PolicyName="all", PolicyDocument=json.dumps(_ALL))
        key = iam.create_access_key(UserName="lab")["AccessKey"]
        return {
            "key": key["AccessKeyId"],
            "secret": key["SecretAccessKey"],
            "endpoint_url": self.url,
            "client_kwargs": {"region_name": REGION},
        }

    def _client(self, service: str, options: Mapping[str, Any]) -> Any:
        import boto3  # noqa: PLC0415 -- half a second that only these tests need

        return boto3.client(
            service,
            endpoint_url=self.url,
            region_name=REGION,
            aws_access_key_id=options["key"],
            aws_secret_access_key=options["secret"],
        )
