"use strict";
for (const block of document.querySelectorAll("script[data-figure]")) {
  const item = JSON.parse(block.textContent);
  Bokeh.embed.embed_item(item, item.target_id);
}
