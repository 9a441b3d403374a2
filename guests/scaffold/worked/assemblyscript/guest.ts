// A guest of Ichor: the worked example.

import { exec, Item, reject, serve, Status, Value, Version } from "./ichor/assembly";
import { MANIFEST } from "./manifest";
export { ichor_abi_v1, ichor_alloc, ichor_convert, ichor_describe } from "./ichor/assembly";

// The templates of manifest.json.
const ORDER: u32 = 1;
const ORDER_LINE: u32 = 2;

// The codes of rejects.
const BAD_ORDER: u32 = 1;
const BAD_CUSTOMER: u32 = 2;
const BAD_LINES: u32 = 3;
const BAD_LINE: u32 = 4;

// The largest quantity of a line: a sum of them has room in 64 bits.
const MOST: i64 = 1000000;

serve(MANIFEST, (version: Version): Status => {
  for (let i = 0; i < version.length; i++) {
    const status = placeOrder(version, version.item(i));
    if (status != Status.OK) return status;
  }
  return Status.OK;
});

function placeOrder(version: Version, item: Item): Status {
  const payload = item.payload, id = payload.field("order"), customer = payload.field("customer"), lines = payload.field("lines");
  if (!id.isString) return reject(BAD_ORDER, `item ${item.index}: order is not a string`);
  if (!isWhole(customer.field("id"))) return reject(BAD_CUSTOMER, `item ${item.index}: customer has no whole number as id`);
  if (!lines.isArray) return reject(BAD_LINES, `item ${item.index}: lines is not a list`);
  let place = 0, units: i64 = 0;
  for (let line = lines.first; line.exists; line = line.next(lines)) {
    const sku = line.field("sku"), price = line.field("price"), quantity = line.field("quantity");
    const number = isWhole(quantity) ? whole(quantity) : 0;
    place++;
    if (number < 1 || number > MOST || !sku.isString || !price.isNumber) {
      return reject(BAD_LINE, `item ${item.index}: line ${place} is not {sku, quantity, price}`);
    }
    units += number;
    exec(ORDER_LINE).value(id).string(place.toString()).value(sku).value(quantity).value(price).text(version.text);
  }
  const city = customer.field("address").field("city"); // null if a part of the way is missing
  exec(ORDER).value(id).value(customer.field("id")).value(city).string(units.toString()).json(customer).text(version.text);
  return Status.OK;
}

// isWhole tells a number without fraction and exponent, of at most 18 digits.
function isWhole(v: Value): bool {
  const text = v.text, begin = v.isNumber && text[0] == 0x2d ? 1 : 0; // a minus
  if (!v.isNumber || text.length - begin > 18) return false;
  for (let i = begin; i < text.length; i++) {
    if (text[i] < 0x30 || text[i] > 0x39) return false;
  }
  return true;
}

// whole reads such a number.
function whole(v: Value): i64 {
  return I64.parseInt(v.text.toString());
}
