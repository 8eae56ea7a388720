"use strict";
// Renders /api/openapi.json without any library: the page must work where nothing else is reachable.
(async () => {
  const main = document.getElementById("main");
  const index = document.getElementById("index");
  const make = (tag, text, kind) => {
    const node = document.createElement(tag);
    if (text !== undefined) node.textContent = text;
    if (kind) node.className = kind;
    return node;
  };
  // What stands between backticks is code.
  const prose = (tag, text, kind) => {
    const node = make(tag, undefined, kind);
    String(text || "").split("`").forEach((part, at) => node.append(at % 2 ? make("code", part) : part));
    return node;
  };
  const quoted = (text) => `'${text.replaceAll("'", "'\\''")}'`;
  const curlOf = (method, path, operation) => {
    const wanted = operation.parameters.filter((each) => each.in === "query" && each.required);
    const query = wanted.map((each) => `${each.name}={${each.name}}`).join("&");
    const parts = [`curl -X ${method} ${quoted(location.origin + path + (query ? `?${query}` : ""))}`];
    if (method === "HEAD") parts[0] = parts[0].replace("-X HEAD", "--head");
    if (operation.security.length) parts.push('-H "Authorization: Bearer $token"');
    if (operation.parameters.some((each) => each.name === "If-Match")) parts.push("-H 'If-Match: *'");
    const [type, media] = Object.entries((operation.requestBody || {}).content || {})[0] || [];
    if (type) {
      parts.push(`-H ${quoted(`Content-Type: ${type}`)}`);
      const first = media.example ?? (Object.values(media.examples || {})[0] || {}).value;
      if (first === undefined) parts.push("--data-binary @FILE");
      else parts.push(`-d ${quoted(typeof first === "string" ? first : JSON.stringify(first))}`);
    }
    return parts.join(" \\\n  ");
  };
  // The clipboard is for secure pages only; elsewhere the browser copies what is selected, if it may.
  const copy = async (shown) => {
    try {
      await navigator.clipboard.writeText(shown.textContent);
      return "Copied";
    } catch {
      getSelection().selectAllChildren(shown);
      return document.execCommand("copy") ? "Copied" : "Selected";
    }
  };
  const curl = (parent, line) => {
    const box = make("div", undefined, "curl");
    const shown = make("pre", line);
    const button = make("button", "Copy");
    button.type = "button";
    button.setAttribute("aria-label", "Copy the curl line");
    button.addEventListener("click", () =>
      copy(shown).then((said) => {
        button.textContent = said;
        setTimeout(() => { button.textContent = "Copy"; }, 2000);
      }));
    box.append(shown, button);
    parent.append(box);
  };
  let api;
  try {
    api = await (await fetch("/api/openapi.json")).json();
  } catch (error) {
    main.textContent = `The document could not be read: ${error}`;
    return;
  }
  const resolve = (value) =>
    value && value.$ref
      ? value.$ref.slice(2).split("/").reduce((at, name) => at[name], api)
      : value;
  const kindOf = (schema) => {
    const { $ref, type, format, anyOf, items, enum: values, const: only } = schema || {};
    if ($ref) return kindOf(resolve(schema)) === "object" ? $ref.split("/").pop() : kindOf(resolve(schema));
    if (values) return values.map((value) => JSON.stringify(value)).join(" | ");
    if (only !== undefined) return JSON.stringify(only);
    if (anyOf) return anyOf.map(kindOf).join(" or ");
    if (type === "array") return `${kindOf(items)}[]`;
    return format ? `${type} (${format})` : type || "any";
  };
  const rows = (parent, title, found) => {
    if (!found.length) return;
    parent.append(make("h3", title));
    const table = make("table");
    for (const [name, kind, text] of found) {
      const row = make("tr");
      const first = make("td");
      first.append(make("code", name));
      row.append(first, prose("td", kind, "soft"), prose("td", text));
      table.append(row);
    }
    parent.append(table);
  };
  const fields = (schema) => {
    const { properties = {}, required = [] } = resolve(schema) || {};
    return Object.entries(properties).map(([name, value]) => [
      name + (required.includes(name) ? "" : "?"), kindOf(value), value.description,
    ]);
  };
  const body = (parent, title, content) => {
    for (const [type, media] of Object.entries(content || {})) {
      rows(parent, `${title}: ${type}`, fields(media.schema));
      if (media.example) parent.append(make("pre", JSON.stringify(media.example, null, 2)));
    }
  };

  main.textContent = "";
  main.append(make("h2", `${api.info.title} API ${api.info.version}`));
  for (const text of api.info.description.split("\n\n")) main.append(prose("p", text));
  const groups = new Map(api.tags.map(({ name }) => [name, []]));
  for (const [path, methods] of Object.entries(api.paths)) {
    for (const [method, operation] of Object.entries(methods)) {
      groups.get(operation.tags[0]).push({ path, method: method.toUpperCase(), operation });
    }
  }
  for (const [group, routes] of groups) {
    index.append(make("li", group, "group"));
    for (const { path, method, operation } of routes) {
      const section = make("section");
      section.id = operation.operationId;
      const title = make("h2");
      title.append(make("span", method, "method"), make("code", path));
      section.append(title, prose("p", operation.summary));
      if (operation.description) section.append(prose("p", operation.description, "soft"));
      curl(section, curlOf(method, path, operation));
      rows(section, "Parameters", operation.parameters.map((each) => [
        each.name, `${each.in}, ${kindOf(each.schema)}${each.required ? "" : ", optional"}`, each.description,
      ]));
      body(section, "Body", operation.requestBody && operation.requestBody.content);
      const answers = Object.entries(operation.responses);
      rows(section, "Answers", answers.map(([status, answer]) => [status, resolve(answer).description, ""]));
      const good = answers.find(([status]) => status.startsWith("2"));
      if (good) body(section, good[0], resolve(good[1]).content);
      main.append(section);
      const item = make("li");
      const link = make("a");
      link.href = `#${operation.operationId}`;
      link.append(make("span", method, "method"), prose("span", operation.summary));
      item.append(link);
      item.dataset.words = `${method} ${path} ${operation.operationId} ${operation.summary}`.toLowerCase();
      index.append(item);
    }
  }
  // On a phone the index is folded away, and a link in it leads to its operation.
  const folded = document.getElementById("routes");
  const narrow = matchMedia("(max-width: 50rem)");
  folded.open = !narrow.matches;
  index.addEventListener("click", () => { if (narrow.matches) folded.open = false; });
  document.getElementById("find").addEventListener("input", ({ target }) => {
    for (const item of index.querySelectorAll("li[data-words]")) {
      item.hidden = !item.dataset.words.includes(target.value.toLowerCase());
    }
  });
  if (location.hash) document.getElementById(location.hash.slice(1))?.scrollIntoView();
})();
