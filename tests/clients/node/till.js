// A till in Node: it records a sale over gRPC, records it again, reads it back, and shows what a refusal tells.
//
//   node till.js ADDRESS KEY OPERATOR STORE IMAGE PROTOS
//
// IMAGE is protos/gen/shuke.binpb, all contracts in one file; PROTOS is a folder that holds google/rpc/error_details.proto.
"use strict";

const fs = require("node:fs");
const path = require("node:path");
const { promisify } = require("node:util");
const grpc = require("@grpc/grpc-js");
const loader = require("@grpc/proto-loader");

const [address, key, operator, store, image, protos] = process.argv.slice(2);
const SHOWN = { keepCase: true, longs: String, enums: String, defaults: true, oneofs: true };
const DEADLINE_SECONDS = 20;

const contracts = grpc.loadPackageDefinition(loader.loadFileDescriptorSetFromBuffer(fs.readFileSync(image), SHOWN));
const rpc = loader.loadSync(
  ["google/rpc/status.proto", "google/rpc/error_details.proto"].map((name) => path.join(protos, name)),
  { ...SHOWN, includeDirs: [protos] },
);

const metadata = new grpc.Metadata();
metadata.set("authorization", `Bearer ${key}`);
metadata.set("x-operator", operator);
metadata.set("accept-language", "en");

const purchases = new contracts.shuke.customer.v1.PurchaseService(address, grpc.credentials.createInsecure());

function call(method, request) {
  const deadline = Date.now() + DEADLINE_SECONDS * 1000;
  return promisify(purchases[method]).call(purchases, request, metadata, { deadline });
}

// The details of a refusal come in one trailer: a google.rpc.Status, in it an Any for each detail.
function detailsOf(error) {
  const status = rpc["google.rpc.Status"].deserialize(error.metadata.get("grpc-status-details-bin")[0]);
  const told = {};
  for (const detail of status.details) {
    const type = detail.type_url.split("/")[1];
    told[type] = rpc[type].deserialize(detail.value);
  }
  return told;
}

async function main() {
  const amount = { currency_code: "CNY", units: 58 };
  const sale = {
    receipt: { store, terminal: "1", business_date: { year: 2026, month: 3, day: 1 }, receipt_no: "1001" },
    business_time: { seconds: Date.parse("2026-03-01T10:00:00+08:00") / 1000 },
    lines: [{ line_no: 1, sku: "MUG-RED", quantity: "2", amount }],
    total: amount,
  };
  const first = await call("RecordPurchase", { purchase: sale, settled: true });
  const again = await call("RecordPurchase", { purchase: sale, settled: true });
  const read = await call("GetPurchase", { name: first.purchase.name });

  sale.lines[0].quantity = "two";
  const refusal = await call("RecordPurchase", { purchase: sale, settled: true }).catch((error) => error);
  const details = detailsOf(refusal);
  const violation = details["google.rpc.BadRequest"].field_violations[0];

  const shown = {
    replayed: [first.replayed, again.replayed],
    read: { receipt: read.receipt.receipt_no, units: read.total.units, operator: read.operator },
    refusal: {
      code: grpc.status[refusal.code],
      reason: details["google.rpc.ErrorInfo"].reason,
      field: violation.field,
      fieldReason: violation.reason,
      said: details["google.rpc.LocalizedMessage"].message,
    },
  };
  console.log(JSON.stringify(shown));
  purchases.close();
}

main().catch((error) => {
  console.error(error.message);
  process.exitCode = 1;
});
