"""Names of the operations of the API for generators of clients: verbs in camelCase, and lasting.

Most follow from the method and the path; `GIVEN` has the others. A name that was published stays:
tests/gateway/operations.txt lists them all.
"""

import re

_BY_METHOD = {
    "GET": "get",
    "POST": "create",
    "PUT": "put",
    "PATCH": "update",
    "DELETE": "delete",
    "OPTIONS": "describe",
}
_VERBS = frozenset({"restore", "move", "purge", "clone", "archive", "unarchive", "accept"})
"""Last members of paths that say what is done to the thing before them."""

GIVEN: dict[str, str] = {
    "POST /api/auth/register": "register",
    "POST /api/auth/login": "logIn",
    "POST /api/auth/refresh": "refreshTokens",
    "POST /api/auth/logout": "logOut",
    "GET /api/projects/{id}/scenes": "listProjectScenes",
    "GET /api/scenes/{id}/appearances": "listSceneAppearances",
    "GET /api/entities/{id}/relations": "listEntityRelations",
    "GET /api/entities/{id}/tags": "listEntityTags",
    "GET /api/entities/{id}/facts": "listEntityFacts",
    "GET /api/entities/{id}/appearances": "listEntityAppearances",
    "GET /api/scenes/{id}/knowledge": "listSceneKnowledge",
    "GET /api/entities/{id}/file": "fetchEntityFile",
    "PUT /api/entities/{id}/file": "putEntityFile",
    "POST /api/entities/{id}/file": "attachEntityFile",
    "DELETE /api/entities/{id}/file": "deleteEntityFile",
    "POST /api/projects/{id}/blobs": "storeBlob",
    "GET /api/projects/{id}/blobs/{sha256}": "fetchBlob",
    "GET /api/projects/{id}/blobs/{sha256}/metadata": "getBlobMetadata",
    "POST /api/projects/{id}/blobs/{sha256}/url": "createBlobUrl",
    "GET /api/projects/{id}/search": "searchProject",
    "GET /api/projects/{id}/search/suggest": "suggestNames",
    "GET /api/scenes/{id}/similar": "findSimilarScenes",
    "GET /api/entities/{id}/similar": "findSimilarEntities",
    "GET /api/projects/{id}/index": "getProjectIndex",
    "POST /api/projects/{id}/index/rebuild": "rebuildProjectIndex",
    "GET /api/projects/{id}/usage": "getProjectUsage",
    "OPTIONS /api/projects/{id}/uploads": "describeUploads",
    "POST /api/projects/{id}/uploads": "createUpload",
    "OPTIONS /api/projects/{id}/uploads/{uploadId}": "describeUpload",
    "GET /api/projects/{id}/uploads/{uploadId}": "getUpload",
    "PATCH /api/projects/{id}/uploads/{uploadId}": "continueUpload",
    "DELETE /api/projects/{id}/uploads/{uploadId}": "deleteUpload",
    "POST /api/projects/{id}/uploads/{uploadId}/complete": "completeUpload",
    "GET /api/projects/{id}/paths": "listPaths",
    "GET /api/projects/{id}/path": "getPath",
    "PUT /api/projects/{id}/path": "putPath",
    "DELETE /api/projects/{id}/path": "deletePath",
    "GET /api/projects/{id}/path/content": "fetchPathContent",
    "GET /api/projects/{id}/path/history": "listPathVersions",
    "GET /files/{ticket}": "fetchPresignedFile",
    "PUT /files/{ticket}": "storePresignedFile",
    "POST /api/projects/{id}/bundles": "commitBundle",
    "POST /api/bundles/{bundleId}/undo": "undoBundle",
    "POST /api/bundles/{bundleId}/redo": "redoBundle",
    "POST /api/bundles/{bundleId}/cherry-pick": "cherryPickBundle",
    "POST /api/projects/{id}/jobs/{jobId}/operations": "stageJobOperations",
    "POST /api/projects/{id}/jobs/{jobId}/commit": "commitJob",
    "DELETE /api/projects/{id}/jobs/{jobId}": "abandonJob",
    "POST /api/projects/{id}/sync/push": "pushCheckpoint",
    "GET /api/projects/{id}/sync/sessions/{sessionId}": "getSyncSession",
    "GET /api/projects/{id}/sync/pull": "pullEvents",
    "GET /api/projects/{id}/sync/conflicts": "listSyncConflicts",
    "POST /api/projects/{id}/sync/conflicts/{conflictId}/resolve": "resolveSyncConflict",
    "GET /api/projects/{id}/members": "listProjectMembers",
    "GET /api/projects/{id}/members/{userId}": "getProjectMember",
    "PUT /api/projects/{id}/members/{userId}": "putProjectMember",
    "DELETE /api/projects/{id}/members/{userId}": "deleteProjectMember",
    "GET /api/teams/{id}/members": "listTeamMembers",
    "PUT /api/teams/{id}/members/{userId}": "putTeamMember",
    "DELETE /api/teams/{id}/members/{userId}": "deleteTeamMember",
    "GET /api/projects/{id}/teams": "listProjectTeams",
    "GET /api/projects/{id}/teams/{teamId}": "getProjectTeam",
    "PUT /api/projects/{id}/teams/{teamId}": "putProjectTeam",
    "DELETE /api/projects/{id}/teams/{teamId}": "deleteProjectTeam",
    "GET /api/projects/{id}/teams/{teamId}/members": "listProjectTeamMembers",
    "GET /api/projects/{id}/audit": "listAuditEntries",
    "GET /api/projects/{id}/activity": "getProjectActivity",
    "GET /api/projects/{id}/tree": "getProjectTree",
    "GET /api/scenes/{id}/content": "getSceneContent",
    "PUT /api/scenes/{id}/content": "putSceneContent",
    "POST /api/scenes/{id}/editor": "convertScene",
    "GET /api/scenes/{id}/history": "listSceneSessions",
    "GET /api/scenes/{id}/authorship": "listSceneAuthors",
    "GET /api/scenes/{id}/diff": "compareSceneVersions",
    "POST /api/scenes/{id}/restore-version": "restoreSceneVersion",
    "GET /api/scenes/{id}/replay": "replayScene",
    "POST /api/scenes/{id}/snapshot": "takeSceneSnapshot",
    "POST /api/scenes/{id}/suggesting": "beginSuggesting",
    "DELETE /api/scenes/{id}/branches/{branchId}": "closeBranch",
    "POST /api/scenes/{id}/branches/{branchId}/merge": "mergeBranch",
    "POST /api/ai/runs/{id}/cancel": "cancelRun",
    "GET /api/ai/runs/{id}/lineage": "getRunLineage",
    "GET /api/ai/runs/{id}/stream": "followRun",
    "POST /api/threads/{id}/resolve": "resolveThread",
    "POST /api/suggestions/{id}/accept": "acceptSuggestion",
    "POST /api/suggestions/{id}/reject": "rejectSuggestion",
    "POST /api/suggestions/{id}/withdraw": "withdrawSuggestion",
    "POST /api/suggestions/{id}/revert": "revertSuggestion",
    "POST /api/refactors/{id}/apply": "applyRefactor",
    "POST /api/refactors/{id}/revert": "revertRefactor",
    "POST /api/patches/{id}/apply": "applyPatch",
    "POST /api/patches/{id}/reapply": "reapplyPatch",
    "POST /api/patches/{id}/revert": "revertPatch",
    "POST /api/threads/{id}/reopen": "reopenThread",
    "PUT /api/threads/{id}/anchor": "putThreadAnchor",
    "PUT /api/comments/{id}/reactions/{emoji}": "putReaction",
    "POST /api/me/notifications/read": "markNotifications",
    "GET /api/scripts/{id}/scenes": "listScriptScenes",
    "GET /api/health/persistence": "getPersistenceHealth",
    "GET /api/health/divergence-status": "getDivergenceStatus",
    "GET /api/projects/{id}/events": "followProjectEvents",
    "GET /api/asyncapi.json": "getAsyncApiDocument",
    "POST /api/templates/{id}/projects": "createProjectFromTemplate",
    "GET /api/projects/{id}/export": "exportProject",
    "POST /api/projects/import": "importProject",
    "POST /api/projects/{id}/save-to-library": "saveToLibrary",
    "POST /api/projects/{id}/import-from-library": "importFromLibrary",
    "GET /.well-known/jwks.json": "listKeys",
    "GET /healthz": "checkLiveness",
    "GET /readyz": "checkReadiness",
    "GET /api/openapi.json": "getOpenApiDocument",
}


def operation_id(method: str, path: str) -> str:
    """Return the name of an operation: `createBook`, `listScenes`, `getTag`, `movePersona`."""
    if given := GIVEN.get(f"{method} {path}"):
        return given
    members = path.removeprefix("/api/").split("/")
    if members[-1] in _VERBS and len(members) > 2:
        return members[-1] + _one(members[-3])
    if members[-1].startswith("{") and len(members) > 1:
        return _BY_METHOD[method] + _one(members[-2])
    if method == "GET" and members[-1].endswith("s"):
        return "list" + _camel(members[-1])
    return _BY_METHOD[method] + _one(members[-1])


def head_id(of_get: str) -> str:
    """Return the name of the HEAD of a GET."""
    return re.sub(r"^[a-z]+", "head", of_get)


def _one(members: str) -> str:
    """Return the name of one of some things: `StyleGuide` of `style-guides`."""
    name = _camel(members)
    if name.endswith("ies"):
        return f"{name[:-3]}y"
    if name.endswith("ches"):
        return name[:-2]
    return name.removesuffix("s")


def _camel(words: str) -> str:
    return "".join(word[:1].upper() + word[1:] for word in re.findall(r"[A-Za-z0-9]+", words))
