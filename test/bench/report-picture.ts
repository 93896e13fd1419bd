/**
 * @file A picture of the upper part of a report, as the README has one of the quickstart's:
 *
 *     npm run build:test && node .build/test/bench/report-picture.js runs/quickstart/report.html PICTURE.png
 */

import { resolve } from "node:path";
import { openTab } from "../support/devtools.ts";

const [page, picture] = process.argv.slice(2) as [string, string];
const tab = await openTab();
try {
  await tab.look({ width: 1200, height: 830, dark: false });
  await tab.open(`file://${resolve(page)}`);
  await tab.picture(picture);
} finally {
  await tab.close();
}
