// Shows the composed OpenAPI document, and sends requests. Everything in it is text: nothing is parsed as HTML.

const METHODS = ["get", "post", "put", "patch", "delete", "head", "options", "trace"];
const DEEPEST = 6;

/** Return an element. `children`: elements and texts. */
function element(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (value !== undefined && value !== false) made.setAttribute(key, value === true ? "" : value);
  }
  made.append(...children.filter((child) => child !== undefined && child !== null));
  return made;
}

/** Return what a reference leads to, or the value itself. */
function resolve(api, value) {
  for (let step = 0; step < 10 && typeof value?.$ref === "string" && value.$ref.startsWith("#/"); step += 1) {
    value = value.$ref
      .slice(2)
      .split("/")
      .map((part) => decodeURIComponent(part).replaceAll("~1", "/").replaceAll("~0", "~"))
      .reduce((found, key) => found?.[key], api);
  }
  return value ?? {};
}

/** Return one line for the type of a schema. */
function typeOf(schema) {
  if (schema === true || schema === undefined) return "any";
  if (typeof schema.$ref === "string") return decodeURIComponent(schema.$ref.split("/").pop());
  for (const word of ["anyOf", "oneOf", "allOf"]) {
    if (Array.isArray(schema[word])) return schema[word].map(typeOf).join(word === "allOf" ? " & " : " | ");
  }
  if (Array.isArray(schema.enum)) return schema.enum.map((value) => JSON.stringify(value)).join(" | ");
  const type = Array.isArray(schema.type) ? schema.type.join(" | ") : (schema.type ?? "any");
  if (type === "array") return `${typeOf(schema.items)}[]`;
  return schema.format ? `${type} (${schema.format})` : type;
}

/** Return an example value for a schema. */
function example(api, schema, depth = 0) {
  const found = resolve(api, schema);
  if (found.example !== undefined) return found.example;
  if (Array.isArray(found.examples) && found.examples.length) return found.examples[0];
  if (found.default !== undefined) return found.default;
  if (found.const !== undefined) return found.const;
  if (Array.isArray(found.enum)) return found.enum[0];
  if (depth > DEEPEST) return null;
  if (Array.isArray(found.allOf)) return Object.assign({}, ...found.allOf.map((part) => example(api, part, depth + 1)));
  for (const word of ["anyOf", "oneOf"]) {
    if (Array.isArray(found[word])) return example(api, found[word][0], depth + 1);
  }
  const type = Array.isArray(found.type) ? found.type[0] : found.type;
  if (type === "object" || found.properties) {
    const entries = Object.entries(found.properties ?? {});
    return Object.fromEntries(entries.map(([name, part]) => [name, example(api, part, depth + 1)]));
  }
  if (type === "array") return [example(api, found.items ?? {}, depth + 1)];
  return { string: "string", integer: 0, number: 0, boolean: true }[type] ?? null;
}

function pretty(value) {
  return JSON.stringify(value, null, 2);
}

/** Return the content types of a body with their schemas and examples. */
function contentOf(api, content) {
  return Object.entries(content ?? {}).map(([type, media]) =>
    element(
      "div",
      {},
      element("p", {}, element("code", {}, type), ` ${typeOf(media.schema)}`),
      media.schema ? element("pre", {}, pretty(media.example ?? example(api, media.schema))) : null,
    ),
  );
}

function parametersOf(parameters, fields) {
  const rows = parameters.map((parameter) => {
    const field = element("input", { "aria-label": `${parameter.name} in ${parameter.in}`, autocomplete: "off" });
    const given = parameter.example ?? parameter.schema?.default;
    if (given !== undefined) field.value = typeof given === "string" ? given : JSON.stringify(given);
    fields.push([parameter, field]);
    return element(
      "tr",
      {},
      element("td", {}, element("code", {}, parameter.name), parameter.required ? element("span", { class: "required", title: "required" }, " *") : null),
      element("td", {}, parameter.in),
      element("td", {}, typeOf(parameter.schema)),
      element("td", {}, field),
      element("td", {}, parameter.description ?? ""),
    );
  });
  const head = ["name", "in", "type", "value", ""].map((title) => element("th", {}, title));
  return element("table", {}, element("thead", {}, element("tr", {}, ...head)), element("tbody", {}, ...rows));
}

/** Return the URL and the headers of a request with the values of the fields. */
function target(api, path, fields) {
  let filled = path;
  const query = new URLSearchParams();
  const headers = new Headers();
  for (const [parameter, field] of fields) {
    if (parameter.in === "path") filled = filled.replaceAll(`{${parameter.name}}`, encodeURIComponent(field.value));
    else if (!field.value) continue;
    else if (parameter.in === "query") query.append(parameter.name, field.value);
    else if (parameter.in === "header") headers.set(parameter.name, field.value);
  }
  const server = new URL(api.servers?.[0]?.url ?? "/", new URL("json", document.baseURI)).href.replace(/\/$/, "");
  const search = query.toString();
  return { url: server + filled + (search ? `?${search}` : ""), headers };
}

function sender(api, path, method, fields, body) {
  const authorization = element("input", { placeholder: "Authorization (optional)", "aria-label": "Authorization", autocomplete: "off" });
  const send = element("button", { type: "button" }, "Send");
  const result = element("div", {});
  send.addEventListener("click", async () => {
    const { url, headers } = target(api, path, fields);
    if (authorization.value) headers.set("Authorization", authorization.value);
    if (body) headers.set("Content-Type", body.type);
    result.replaceChildren(element("p", {}, `${method.toUpperCase()} ${url} ...`));
    const begun = performance.now();
    try {
      const response = await fetch(url, { method: method.toUpperCase(), headers, body: body?.field.value });
      const text = await response.text();
      let shown = text;
      try {
        shown = pretty(JSON.parse(text));
      } catch {
        // not JSON: shown as it is
      }
      result.replaceChildren(
        element("p", {}, `${response.status} ${response.statusText} in ${Math.round(performance.now() - begun)} ms: ${url}`),
        element("pre", {}, [...response.headers].map(([name, value]) => `${name}: ${value}`).join("\n")),
        element("pre", {}, shown.slice(0, 200_000) || "(no body)"),
      );
    } catch (error) {
      result.replaceChildren(element("p", { class: "error" }, `The request failed: ${error.message}`));
    }
  });
  return [element("h3", {}, "Try it"), authorization, " ", send, result];
}

function operationBody(api, path, method, item, operation) {
  const fields = [];
  const parameters = [...(item.parameters ?? []), ...(operation.parameters ?? [])].map((each) => resolve(api, each));
  const request = resolve(api, operation.requestBody);
  const [type, media] = Object.entries(request.content ?? {})[0] ?? [];
  let body;
  if (type) {
    const field = element("textarea", { "aria-label": "body", spellcheck: "false" });
    field.value = media.schema ? pretty(media.example ?? example(api, media.schema)) : "";
    body = { type, field };
  }
  const responses = Object.entries(operation.responses ?? {}).map(([status, each]) => {
    const response = resolve(api, each);
    return element("div", {}, element("p", {}, element("code", {}, status), ` ${response.description ?? ""}`), ...contentOf(api, response.content));
  });
  return [
    operation.description ? element("p", {}, operation.description) : null,
    parameters.length ? element("h3", {}, "Parameters") : null,
    parameters.length ? parametersOf(parameters, fields) : null,
    type ? element("h3", {}, `Body: ${type}${request.required ? " (required)" : ""} ${typeOf(media.schema)}`) : null,
    body?.field,
    element("h3", {}, "Responses"),
    ...responses,
    ...sender(api, path, method, fields, body),
  ];
}

function operationView(api, path, method, item) {
  const operation = item[method];
  const content = element("div", { class: "body" });
  const view = element(
    "details",
    { class: operation.deprecated ? "deprecated" : undefined },
    element(
      "summary",
      {},
      element("span", { class: `method ${method}` }, method.toUpperCase()),
      element("code", {}, path),
      element("span", { class: "what" }, operation.summary ?? ""),
    ),
    content,
  );
  view.dataset.text = `${method} ${path} ${operation.summary ?? ""} ${operation.operationId ?? ""}`.toLowerCase();
  // Built when it is opened: a document may have thousands.
  view.addEventListener("toggle", () => {
    if (view.open && !content.childElementCount) {
      content.replaceChildren(...operationBody(api, path, method, item, operation).filter(Boolean));
    }
  });
  return view;
}

function show(api) {
  document.title = api.info?.title ?? document.title;
  document.getElementById("title").textContent = `${document.title} ${api.info?.version ?? ""}`;
  document.getElementById("about").textContent = api.info?.description ?? "";
  const groups = new Map((api.tags ?? []).map((tag) => [tag.name, { about: tag.description, views: [] }]));
  for (const [path, item] of Object.entries(api.paths ?? {})) {
    for (const method of METHODS.filter((each) => item[each])) {
      const tag = item[method].tags?.[0] ?? "";
      if (!groups.has(tag)) groups.set(tag, { views: [] });
      groups.get(tag).views.push(operationView(api, path, method, item));
    }
  }
  const sections = [...groups]
    .filter(([, group]) => group.views.length)
    .map(([tag, group]) => element("section", {}, element("h2", {}, tag), element("p", {}, group.about ?? ""), ...group.views));
  const empty = element("p", {}, "No service has an OpenAPI document yet; the log of the app says why.");
  document.getElementById("operations").replaceChildren(...(sections.length ? sections : [empty]));
}

document.getElementById("filter").addEventListener("input", (event) => {
  const wanted = event.target.value.toLowerCase();
  for (const section of document.querySelectorAll("section")) {
    const views = [...section.querySelectorAll("details")];
    for (const view of views) view.hidden = !view.dataset.text.includes(wanted);
    section.hidden = views.every((view) => view.hidden);
  }
});

try {
  const response = await fetch("json");
  if (!response.ok) throw new Error(`the status of the response is ${response.status}`);
  show(await response.json());
} catch (error) {
  document.getElementById("operations").replaceChildren(element("p", { class: "error" }, `The document cannot be read: ${error.message}`));
}
