"""Addresses of git repositories: what is in one, and what is wrong with one."""

import re


def url_problem(repo: str, access: str) -> str | None:
    """Return what is wrong with a repository's URL, alone or for this way of access, or None."""
    if re.match(r"ssh://[^/]*:[^/\d]", repo):
        return f"{repo} mixes two forms: write git@host:path or ssh://git@host/path"
    if re.match(r"[^/:]+:\d+/", repo):
        return f"{repo} cannot hold a port in this form: write ssh://git@host:port/path"
    if not re.match(r"(ssh|https)://[^/\s]+/\S|[^/\s:]+@[^/\s:]+:\S", repo):
        return f"{repo} is not git@host:path, ssh://git@host:port/path or https://host/path"
    if re.match(r"https://[^/]*@", repo):
        return "the URL holds a login: take it out, and make that token a new one"
    if access == "ssh-deploy-key" and repo.startswith("https:"):
        return "a deploy key works over SSH only: write git@host:path"
    if access != "ssh-deploy-key" and not repo.startswith("https:"):
        return f"git_access {access} works over HTTPS only: write https://host/path"
    return None


def address(repo: str) -> tuple[str, int, str]:
    """Return host, port (22 for SSH, 443 for HTTPS, unless the URL says another) and path of ``repo``."""
    scheme, has_scheme, rest = repo.partition("://")
    if not has_scheme:  # git@host:path
        host, _, path = repo.partition(":")
        return host.rpartition("@")[2].lower(), 22, path.strip("/")
    server, _, path = rest.partition("/")
    host, _, port = server.rpartition("@")[2].partition(":")
    return host.lower(), int(port or (22 if scheme == "ssh" else 443)), path.strip("/")
