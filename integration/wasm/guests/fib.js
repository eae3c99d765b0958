// Run by the QuickJS guest: computes, reads its arguments and a file beside it, ends with a code.
import * as std from "qjs:std";

const fib = n => n < 2 ? n : fib(n - 1) + fib(n - 2);
console.log(`fib(15) = ${fib(15)}`);
console.log(scriptArgs.slice(1).join(" "));
console.log(JSON.stringify(JSON.parse(std.loadFile(scriptArgs[1])).map(x => x * x)));
std.exit(5);
