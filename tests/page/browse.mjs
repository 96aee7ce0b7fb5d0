/* Opens the page in a real browser window, does what it is told and prints what is to be seen there as JSON:
 * browse.mjs '{"url": ..., "width": ..., "height": ..., "seconds": ..., "search": ..., "light": ..., "shot": ...}' */
import { createRequire } from "node:module";

const { chromium } = createRequire(process.env.PLAYWRIGHT + "/")("playwright-core");
const wish = JSON.parse(process.argv[2]);
const seen = { errors: [], requests: [] };
const browser = await chromium.launch({ executablePath: wish.browser, args: ["--no-sandbox", "--disable-gpu"] });
try {
  const context = await browser.newContext({ viewport: { width: wish.width, height: wish.height }, isMobile: wish.width < 600,
    hasTouch: wish.width < 600, colorScheme: wish.light ? "light" : "dark" });
  const page = await context.newPage();
  page.on("console", message => { if (["error", "warning"].includes(message.type())) seen.errors.push(message.text()); });
  page.on("pageerror", error => seen.errors.push(String(error)));
  page.on("request", request => seen.requests.push(request.method() + " " + request.url()));
  const response = await page.goto(wish.url);
  seen.status = response.status();
  seen.headers = response.headers();
  await page.waitForFunction(() => !document.getElementById("verdict").classList.contains("unknown"));
  console.error("open");
  await page.waitForTimeout((wish.seconds || 3) * 1000);
  if (wish.search) {
    await page.fill("#search-text", wish.search);
    await page.press("#search-text", "Enter");
    await page.waitForFunction(() => /lease|Nothing|Not found/.test(document.getElementById("search-note").textContent));
  }
  if (wish.shot) await page.screenshot({ path: wish.shot, fullPage: true });
  Object.assign(seen, await page.evaluate(() => {
    const text = name => document.getElementById(name).innerText;
    const all = selector => [...document.querySelectorAll(selector)].map(element => element.innerText);
    return {
      verdict: document.getElementById("verdict").className, title: text("verdict-title"),
      states: all("#relations .state"), ends: all("#relations .end"), why: all("#relations .why dd"), facts: all("#relations .facts div"),
      alarms: all("#alarm-list .alarm p"), pools: all("#pool-list .pool"), note: text("search-note"),
      found: all("#search-list .what"), details: all("#search-list .all div"), recent: all("#recent-list .what"),
      charts: [...document.querySelectorAll(".chart")].map(chart => [chart.id, chart.querySelectorAll("polyline").length]),
      keys: all(".key"), foot: text("foot"), marked: document.querySelectorAll("main img, main script, main b b").length,
      width: document.documentElement.scrollWidth, window: window.innerWidth,
      small: [...document.querySelectorAll("body *")].filter(element => element.childElementCount === 0 && element.innerText &&
        parseFloat(getComputedStyle(element).fontSize) < 11).map(element => element.innerText),
    };
  }));
} finally {
  await browser.close();
}
console.log(JSON.stringify(seen));
