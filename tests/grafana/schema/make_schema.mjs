// Writes grafana.schema.json: a JSON Schema of dashboards, and of the options of each kind of panel that is used here.
import { writeFileSync } from "node:fs";
import { createGenerator } from "ts-json-schema-generator";

const types = "node_modules/@grafana/schema/dist/types/raw";
const tsconfig = "tsconfig.json";

function schemaOf(path, type) {
  return createGenerator({ path, tsconfig, type, skipTypeCheck: true, jsDoc: "none", expose: "all" }).createSchema(type);
}

const dashboard = schemaOf(`${types}/dashboard/x/types.gen.d.ts`, "Dashboard");
// Grafana 13 has this palette; its first schema was not told of it, the second was.
dashboard.definitions.FieldColorModeId.enum.push("palette-colorblind");
// The target of an annotation is the data source's query; the types know Grafana's own annotations only.
dashboard.definitions.AnnotationTarget = { type: "object", required: ["refId", "rawSql"] };

const panels = {};
for (const kind of ["bargauge", "stat", "table", "timeseries", "trend"]) {
  const path = `${types}/composable/${kind}/panelcfg/x/types.gen.d.ts`;
  panels[kind] = { options: schemaOf(path, "Options") };
  if (!["bargauge", "stat"].includes(kind)) panels[kind].custom = schemaOf(path, "FieldConfig");
}
writeFileSync("grafana.schema.json", JSON.stringify({ dashboard, panels }, null, 1) + "\n");
