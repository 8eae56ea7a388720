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
      row.append(first, make("td", kind, "soft"), make("td", text || ""));
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
  for (const text of api.info.description.split("\n\n")) main.append(make("p", text));
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
      section.append(title, make("p", operation.summary));
      if (operation.description) section.append(make("p", operation.description, "soft"));
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
      link.append(make("span", method, "method"), operation.summary);
      item.append(link);
      item.dataset.words = `${method} ${path} ${operation.summary}`.toLowerCase();
      index.append(item);
    }
  }
  document.getElementById("find").addEventListener("input", ({ target }) => {
    for (const item of index.querySelectorAll("li[data-words]")) {
      item.hidden = !item.dataset.words.includes(target.value.toLowerCase());
    }
  });
  if (location.hash) document.getElementById(location.hash.slice(1))?.scrollIntoView();
})();
