/** @file Prints the texts that test/reference/real_tokenizers.py encodes, as JSON. */

import { strangeStrings } from "../support/strings.ts";

process.stdout.write(JSON.stringify(strangeStrings(1000)));
