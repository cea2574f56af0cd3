"""Airflow's web pages in headless Chromium: Debian's browser, driven by playwright."""

import shutil
from pathlib import Path

from playwright.sync_api import expect, sync_playwright

FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
]
SIZE = {"width": 1280, "height": 720}
PATIENCE = 60_000  # milliseconds


class Browser:
    """One browser; pictures go to `folder`."""

    def __init__(self, folder):
        self.folder = Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        program = shutil.which("chromium") or shutil.which("google-chrome")
        assert program, "Chromium is missing (Debian: apt-get install chromium)"
        self._playwright = sync_playwright().start()
        self._browser = self._playwright.chromium.launch(executable_path=program, args=FLAGS)

    def __call__(self, installation):
        """Log in to an installation and return its page."""
        context = self._browser.new_context(
            base_url=installation.address, viewport=SIZE, color_scheme="light", timezone_id="UTC"
        )
        context.set_default_timeout(PATIENCE)
        page = Page(context.new_page(), self.folder)
        page.log_in(installation.admin_password)
        return page

    def close(self):
        """End the browser."""
        self._browser.close()
        self._playwright.stop()


class Page:
    """A page of Airflow's, by what a person looks for in it."""

    def __init__(self, page, folder):
        self.page, self.folder = page, folder

    def log_in(self, password):
        """Log in as admin and see the home page."""
        self.page.goto("/")
        self.page.locator("input[name=username]").fill("admin")
        self.page.locator("input[name=password]").fill(password)
        self.page.locator("input[name=password]").press("Enter")
        expect(self.page.get_by_text("Dags", exact=True).first).to_be_visible(timeout=PATIENCE)

    def goto(self, path):
        """Open a page of Airflow's."""
        self.page.goto(path)

    def shows(self, text):
        """Assert that a text is to be seen."""
        expect(self.page.get_by_text(text, exact=True).first).to_be_visible(timeout=PATIENCE)

    def graph(self):
        """Switch from the grid to the graph."""
        self.page.locator('button[aria-label*="raph" i]').first.click()

    def has_node(self, text):
        """Assert that the graph has a node with a text."""
        node = self.page.locator(".react-flow__node", has_text=text).first
        try:
            expect(node).to_be_visible(timeout=PATIENCE)
        except AssertionError:
            self.page.screenshot(path=self.folder / "failed.png")
            raise

    def clear_run(self):
        """On the page of a run: run all of it again."""
        self.page.get_by_role("button", name="shift+c to clear").first.click()
        dialog = self.page.get_by_role("dialog")
        dialog.get_by_text("Clear existing tasks").click()
        try:
            dialog.get_by_role("button", name="Confirm").click()
            expect(dialog).to_be_hidden(timeout=PATIENCE)
        except AssertionError:
            self.page.screenshot(path=self.folder / "failed.png")
            raise

    def picture(self, name):
        """Keep what is to be seen as a PNG."""
        self.page.wait_for_load_state("networkidle")
        # Graphs glide into their place.
        self.page.wait_for_timeout(1500)
        self.page.screenshot(path=self.folder / f"{name}.png")
