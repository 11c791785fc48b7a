// The API for people who write against it, from /openapi.json: no script from elsewhere is needed to read it.

import { el } from "./dom.js";
import { t } from "./words.js";

const spec = await (await fetch("../openapi.json")).json();
const resolve = (schema) => (schema?.$ref ? spec.components.schemas[schema.$ref.split("/").pop()] : schema);

function kind(schema) {
  if (!schema) return "";
  if (schema.$ref) return schema.$ref.split("/").pop();
  if (schema.anyOf) return schema.anyOf.map(kind).join(" | ");
  if (schema.type === "array") return `[${kind(schema.items)}]`;
  const bounds = ["minimum", "maximum", "minLength", "maxLength", "pattern"].filter((name) => name in schema).map((name) => `${name} ${schema[name]}`);
  return [schema.type || "", ...bounds].join(" ");
}

function table(rows) {
  return el("table", {}, el("tbody", {}, rows.map(([name, what, text]) => el("tr", {}, el("td", { class: "mono" }, name), el("td", {}, what), el("td", {}, text || "")))));
}

function operation(path, method, op) {
  const inputs = (op.parameters || []).map((each) => [each.name, kind(each.schema), each.description || each.schema.description]);
  const body = resolve(op.requestBody?.content?.["application/json"]?.schema);
  if (body) inputs.push(...Object.entries(body.properties).map(([name, each]) => [name, kind(each), each.description]));
  const answers = Object.entries(op.responses).map(([status, each]) => [status, kind(Object.values(each.content || {})[0]?.schema), each.description]);
  return el("article", {}, el("code", {}, `${method.toUpperCase()} ${path}`), el("h3", {}, op.summary), el("p", {}, op.description),
    inputs.length ? [el("small", {}, t("api_inputs")), table(inputs)] : null, el("small", {}, t("api_answers")), table(answers));
}

document.body.append(
  el("h1", {}, t("api_title")), el("p", {}, spec.info.description), el("p", {}, el("a", { href: "../openapi.json" }, "openapi.json")),
  ...spec.tags.map((tag) => el("section", {}, el("h2", {}, tag.name), el("p", {}, tag.description),
    Object.entries(spec.paths).flatMap(([path, item]) => Object.entries(item).filter(([, op]) => op.tags?.includes(tag.name)).map(([method, op]) => operation(path, method, op))))),
  el("section", {}, el("h2", {}, "schemas"), Object.entries(spec.components.schemas).map(([name, schema]) => el("article", {}, el("code", {}, name), el("p", {}, schema.description || ""),
    table(Object.entries(schema.properties || {}).map(([field, each]) => [field, kind(each), each.description]))))));
