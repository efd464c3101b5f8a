// Draws every chart of the page from the JSON beside it, in the page's colours, again when the colours change.

(() => {
  const NAMES = ["gain", "loss", "accent", "muted", "market", "warn"];

  function palette() {
    const style = getComputedStyle(document.documentElement);
    const read = (name) => style.getPropertyValue(`--chart-${name}`).trim();
    return Object.fromEntries([...NAMES, "text", "line", "surface"].map((name) => [name, read(name)]));
  }

  // Named colours become the palette's, at any depth of the option.
  function coloured(value, colours) {
    if (Array.isArray(value)) return value.map((entry) => coloured(entry, colours));
    if (value && typeof value === "object") {
      return Object.fromEntries(
        Object.entries(value).map(([key, entry]) => [
          key,
          key.toLowerCase().endsWith("color") && NAMES.includes(entry) ? colours[entry] : coloured(entry, colours),
        ]),
      );
    }
    return value;
  }

  function formatter(unit, currency, compact) {
    const lang = document.documentElement.lang;
    const short = compact ? { notation: "compact", maximumFractionDigits: 1 } : {};
    if (unit === "money") {
      const digits = compact ? {} : { minimumFractionDigits: 2, maximumFractionDigits: 2 };
      const format = new Intl.NumberFormat(lang, { style: "currency", currency, ...digits, ...short });
      return (value) => (value === null || value === undefined ? "–" : format.format(value));
    }
    const format = new Intl.NumberFormat(lang, { maximumFractionDigits: 2, ...short });
    return (value) => (value === null || value === undefined ? "–" : format.format(value) + (unit === "percent" ? " %" : ""));
  }

  const list = (value) => (value === undefined ? [] : Array.isArray(value) ? value : [value]);

  function dressed(option, colours, holder) {
    const { unit, currency } = holder.dataset;
    const axis = {
      axisLine: { lineStyle: { color: colours.line } },
      axisTick: { show: false },
      axisLabel: { color: colours.text, fontSize: 12, hideOverlap: true },
      splitLine: { lineStyle: { color: colours.line } },
    };
    const text = { color: colours.text, fontFamily: getComputedStyle(document.body).fontFamily };
    const dress = (one, more = {}) => ({
      ...axis,
      ...one,
      axisLabel: { ...axis.axisLabel, ...more, ...one.axisLabel },
    });
    return {
      animation: false,
      textStyle: text,
      color: ["accent", "gain", "warn", "market", "loss", "muted"].map((name) => colours[name]),
      grid: { left: 4, right: 12, top: option.legend ? 40 : 16, bottom: 4, containLabel: true },
      ...option,
      ...(option.legend ? { legend: { top: 0, left: 0, icon: "roundRect", itemWidth: 12, itemHeight: 8, textStyle: text, ...option.legend } } : {}),
      // richText draws on the canvas: an HTML tooltip would need inline styles, which the policy forbids.
      tooltip: {
        trigger: "axis",
        renderMode: "richText",
        confine: true,
        backgroundColor: colours.surface,
        borderColor: colours.line,
        textStyle: text,
        valueFormatter: formatter(unit, currency, false),
        ...option.tooltip,
      },
      xAxis: list(option.xAxis).map((one) => dress({ splitLine: { show: false }, ...one }, one.type === "value" ? { formatter: formatter(unit, currency, true) } : {})),
      yAxis: list(option.yAxis).map((one) => dress({ axisLine: { show: false }, ...one }, one.type === "category" ? {} : { formatter: formatter(unit, currency, true) })),
    };
  }

  function draw(holder) {
    const source = document.getElementById(holder.dataset.chart);
    if (!source) return;
    const colours = palette();
    const option = coloured(JSON.parse(source.textContent), colours);
    const chart = echarts.getInstanceByDom(holder) || echarts.init(holder, null, { renderer: "canvas" });
    chart.setOption(dressed(option, colours, holder), { notMerge: true });
  }

  const resize = new ResizeObserver((entries) => {
    entries.forEach(({ target }) => echarts.getInstanceByDom(target)?.resize());
  });

  function drawAll() {
    document.querySelectorAll("[data-chart]").forEach((holder) => {
      draw(holder);
      resize.observe(holder);
    });
  }

  document.addEventListener("theme-changed", drawAll);
  document.addEventListener("htmx:after:swap", drawAll);
  drawAll();
})();
