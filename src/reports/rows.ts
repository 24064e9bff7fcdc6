import { carryView, lookasideView, promoteView } from "./carry-rows.ts";
import { pkiCheckView, pkiView, policyLintView } from "./check-rows.ts";
import { listView, payloadView, signView, verifyView } from "./image-rows.ts";
import type { Report } from "./report.ts";
import type { ReportView } from "./view.ts";

/** The rows of any report. */
export function viewOf(report: Report): ReportView {
  switch (report.operation) {
    case "verify":
      return verifyView(report);
    case "sign":
    case "attach":
      return signView(report);
    case "promote":
      return promoteView(report);
    case "payload":
      return payloadView(report);
    case "list":
      return listView(report);
    case "save":
    case "load":
      return carryView(report);
    case "lookaside publish":
      return lookasideView(report);
    case "pki check":
      return pkiCheckView(report);
    case "policy lint":
      return policyLintView(report);
    default:
      return pkiView(report);
  }
}
