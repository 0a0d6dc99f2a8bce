import { celFunc, type CelFunc, CelScalar, celUint } from '@bufbuild/cel';
import { isExact } from '../lib/decimal.ts';

const WHOLE = /^-?(?:0|[1-9][0-9]{0,19})$/;
const DECIMAL = /^-?(?:0|[1-9][0-9]{0,14})(?:\.[0-9]{1,15})?$/;

/**
 * Texts become numbers only where everybody reads the same number: the library takes "" for 0, " 0x10 " for 16 and "NaN" for a number that no
 * limit stops (CWE-20). Anything else is an error, and an error denies.
 */
export const STRICT_NUMBERS: CelFunc[] = [
  celFunc('int', [CelScalar.STRING], CelScalar.INT, (text) => {
    const whole = wholeOf(text);
    if (BigInt.asIntN(64, whole) !== whole) throw new Error('is beyond int');
    return whole;
  }),
  celFunc('uint', [CelScalar.STRING], CelScalar.UINT, (text) => {
    const whole = wholeOf(text);
    if (BigInt.asUintN(64, whole) !== whole) throw new Error('is beyond uint');
    return celUint(whole);
  }),
  celFunc('double', [CelScalar.STRING], CelScalar.DOUBLE, (text) => {
    if (!DECIMAL.test(text) || !isExact(text)) throw new Error('is no plain decimal number');
    return Number(text);
  }),
];
function wholeOf(text: string): bigint {
  if (!WHOLE.test(text)) throw new Error('is no plain whole number');
  return BigInt(text);
}
