"""The git server behind a repository's URL: its address, and where it takes a deploy key."""

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


def known_hosts_name(repo: str) -> str:
    """Return what a known_hosts line for ``repo`` starts with: ``host``, or ``[host]:port``."""
    host, port, _ = address(repo)
    return host if port == 22 else f"[{host}]:{port}"


def where_to_register(repo: str) -> str:
    """Return the page that takes a deploy key for ``repo``, and what to choose there."""
    host, _, path = address(repo)
    path = path.removesuffix(".git")
    if host in ("github.com", "ssh.github.com"):
        return f"https://github.com/{path}/settings/keys/new (leave 'Allow write access' unticked)"
    if host in ("gitlab.com", "altssh.gitlab.com"):
        return (
            f"https://gitlab.com/{path}/-/settings/repository, 'Deploy keys' "
            "(leave 'Grant write permissions' unticked)"
        )
    if host in ("bitbucket.org", "altssh.bitbucket.org"):
        return f"https://bitbucket.org/{path}/admin/access-keys/ (access keys only read)"
    if host == "ssh.dev.azure.com":
        organisation = path.removeprefix("v3/").split("/")[0]
        return (
            f"https://dev.azure.com/{organisation}/_usersSettings/keys, signed in as a user "
            "who may only read this repository (Azure DevOps has no deploy keys)"
        )
    return (
        f"{host}: the repository's settings, 'Deploy keys', read-only; on a server without such a page, "
        "a line in the git user's ~/.ssh/authorized_keys that starts with 'restrict'"
    )
