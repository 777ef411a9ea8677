// Swagger UI with its public options, and a plugin that folds what is not needed for a first request.

const OPERATIONS = ["createAgent", "getAgent"];
const READ_AGAIN_MILLISECONDS = 1000;

const dark = matchMedia("(prefers-color-scheme: dark)");
const followSystem = () => document.documentElement.classList.toggle("dark-mode", dark.matches);
dark.addEventListener("change", followSystem);
followSystem();

function plugin({ React }) {
  const { createElement: make, useEffect, useState } = React;

  const fold = (title, ...content) => make("details", null, make("summary", null, title), ...content);

  const folded = (title) => (Original) => (props) => fold(title, make(Original, props));

  // The headers have all they need. They are rows of one table with the rest, so CSS hides them by this element.
  const parameters = (Original) => (props) => [
    make("details", { className: "headers", key: "headers" }, make("summary", null, "Headers")),
    make(Original, { ...props, key: "parameters" }),
  ];

  const responses = (Original, { getComponent }) => (props) => {
    const response = props.tryItOutResponse;
    return [
      make(
        "div",
        { className: "live", key: "live" },
        isPending(response) && make(Activation, { ...props, response, key: response.get("text") }),
        response ? make(getComponent("liveResponse"), { ...props, response }) : "The response appears here.",
      ),
      make("div", { className: "codes", key: "codes" }, fold("Response codes", make(Original, { ...props, tryItOutResponse: null }))),
    ];
  };

  const isPending = (response) => response?.get("status") === 201 && JSON.parse(response.get("text")).status === "pending";

  // Reads an agent until its own ElevenLabs key was tried.
  function Activation({ response, specSelectors, path, method }) {
    const [agent, setAgent] = useState(JSON.parse(response.get("text")));
    const url = response.getIn(["headers", "location"]);
    const headers = specSelectors.requestFor(path, method).get("headers").toJS();
    useEffect(() => {
      if (agent.status !== "pending") return undefined;
      const timer = setTimeout(() => fetch(url, { headers }).then((read) => read.json()).then(setAgent), READ_AGAIN_MILLISECONDS);
      return () => clearTimeout(timer);
    }, [agent]);
    return fold(`GET ${url}: ${agent.status ?? agent.message}`, make("pre", { className: "microlight" }, JSON.stringify(agent, null, 2)));
  }

  // One operation is open at a time, so that it fits on the screen.
  const show = (original) => (what, isShown) => {
    if (what[0] === "operations") OPERATIONS.forEach((id) => original(["operations", "Agents", id], false));
    return original(what, isShown);
  };

  return {
    fn: {
      requestSnippetGenerator_curl: curl,
      requestSnippetGenerator_python: python,
      requestSnippetGenerator_javascript: javascript,
    },
    statePlugins: { layout: { wrapActions: { show } } },
    wrapComponents: { InfoContainer: folded("About this API"), parameters, responses },
  };
}

const ui = SwaggerUIBundle({
  dom_id: "#ui",
  url: "/openapi.json",
  validatorUrl: null, // the validator is on the Internet
  plugins: [plugin],
  tryItOutEnabled: true,
  defaultModelRendering: "model",
  defaultModelsExpandDepth: 0,
  requestSnippetsEnabled: true,
  requestSnippets: {
    languages: ["curl", "python", "javascript"],
    generators: {
      curl: { title: "curl", syntax: "bash" },
      python: { title: "Python", syntax: "python" },
      javascript: { title: "JavaScript", syntax: "javascript" },
    },
  },
  onComplete: () => {
    ui.preauthorizeApiKey("ApiKey", document.getElementById("ui").dataset.key);
    ui.layoutActions.show(["operations", "Agents", "createAgent"], true);
  },
  responseInterceptor: (response) => {
    if (response.status === 201) {
      ui.specActions.changeParam(["/v1/api/agents/{agentId}", "get"], "agentId", "path", response.obj._id, false);
    }
    return response;
  },
});
