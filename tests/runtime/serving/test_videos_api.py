"""Videos as the unmodified OpenAI client asks for them, against a real process with a fake family."""

from __future__ import annotations

import base64
from pathlib import Path

import openai
import pytest
from runtime.serving.replica import batches
from runtime.serving.waiting import eventually

pytestmark = pytest.mark.filterwarnings("ignore:The Sora API:DeprecationWarning")


class TestVideos:
    """``/v1/videos``."""

    def test_a_job_from_queued_to_deleted(self, fake_client: openai.OpenAI, tmp_path: Path) -> None:
        go = tmp_path / "go"
        video = fake_client.videos.create(model="tiny", prompt=f"until {go}", seconds="4", size="32x16")
        assert (video.object, video.model, video.seconds, video.size) == ("video", "tiny", "4", "32x16")
        assert (video.completed_at, video.progress) == (None, 0)
        eventually(lambda: fake_client.videos.retrieve(video.id).status == "in_progress", what="the job to begin")
        with pytest.raises(openai.BadRequestError) as caught:
            fake_client.videos.download_content(video.id)
        assert caught.value.code == "video_not_ready"
        go.touch()
        eventually(lambda: fake_client.videos.retrieve(video.id).status == "completed", what="the job to end")
        done = fake_client.videos.retrieve(video.id)
        assert done.completed_at is not None
        assert done.expires_at == pytest.approx(done.completed_at + 3600, abs=1)
        assert (done.progress, done.prompt, done.seconds) == (100, f"until {go}", "4")
        content = fake_client.videos.download_content(video.id)
        assert content.read().startswith(b"film of until")
        assert content.response.headers["content-type"] == "video/mp4"
        assert fake_client.videos.delete(video.id).deleted
        with pytest.raises(openai.NotFoundError, match="another replica"):
            fake_client.videos.retrieve(video.id)

    def test_who_waits_gets_the_file_in_the_answer(self, fake_client: openai.OpenAI) -> None:
        video = fake_client.videos.create(model="tiny", prompt="a seven", extra_body={"wait": True, "seed": 3})
        assert (video.status, video.size, video.seconds) == ("completed", "16x16", "1")
        assert base64.b64decode(video.to_dict()["b64_json"]) == b"film of a seven, seed 3"
        assert fake_client.videos.download_content(video.id).read() == b"film of a seven, seed 3"

    def test_a_failed_job_says_why(self, fake_client: openai.OpenAI) -> None:
        video = fake_client.videos.create(model="tiny", prompt="poison")
        eventually(lambda: fake_client.videos.retrieve(video.id).status == "failed", what="the job to fail")
        failed = fake_client.videos.retrieve(video.id)
        assert failed.error is not None
        assert failed.error.message == "the model failed: RuntimeError: this one is poison"
        with pytest.raises(openai.InternalServerError):
            fake_client.videos.download_content(video.id)
        with pytest.raises(openai.InternalServerError):
            fake_client.videos.create(model="tiny", prompt="poison", extra_body={"wait": True})

    def test_a_job_that_the_model_refuses_is_refused_at_once(self, fake_client: openai.OpenAI) -> None:
        with pytest.raises(openai.BadRequestError) as caught:
            fake_client.videos.create(model="tiny", prompt="refusal")
        assert (caught.value.code, caught.value.param) == ("prompt_refused", "prompt")

    def test_the_list_is_newest_first_and_comes_in_pages(self, fake_client: openai.OpenAI) -> None:
        made = [fake_client.videos.create(model="tiny", prompt=f"page {number}").id for number in range(3)]
        newest = [video.id for video in fake_client.videos.list(limit=2)]
        assert newest[:3] == made[::-1], "the client follows the pages by itself"
        page = fake_client.videos.list(limit=1, order="asc", after=made[0])
        assert [video.id for video in page.data] == [made[1]]
        assert page.has_more

    def test_a_deleted_job_that_waits_never_runs(
        self, fake_client: openai.OpenAI, fake_directory: Path, tmp_path: Path
    ) -> None:
        go = tmp_path / "go"
        first = fake_client.videos.create(model="tiny", prompt=f"until {go}")
        eventually(lambda: fake_client.videos.retrieve(first.id).status == "in_progress", what="the job to begin")
        unwanted = fake_client.videos.create(model="tiny", prompt="unwanted")
        assert fake_client.videos.delete(unwanted.id).deleted
        last = fake_client.videos.create(model="tiny", prompt="last")
        go.touch()
        eventually(lambda: fake_client.videos.retrieve(last.id).status == "completed", what="the last job to end")
        assert ["unwanted"] not in batches(fake_directory)
