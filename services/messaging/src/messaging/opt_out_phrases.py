"""The wording that `opt_out` looks for, as data: phrases over its canonical words, English then Spanish.

`|` stands at both ends and between sentences, so that no phrase reaches from one into the next. Every repetition is
bounded or possessive: a search stays linear in the text.
"""

import re
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Phrase:
    """A wording that decides, or (`is_doubtful`) one that a person should look at.

    With `may_be_limited`, "until Monday" or "call me instead" beside it makes it doubtful. A group named `negated`
    ("don't stop texting") does so too.
    """

    pattern: re.Pattern[str]
    language: str
    is_doubtful: bool = False
    may_be_limited: bool = False
    is_wrong_number: bool = False


_ANY = r"(?:[a-z0-9]++ )"
_SMALL = (
    r"(?:(?:all|with|the|these|those|this|your|any|anymore|more|send|me|us|my|to|of|from|for|future|further|"
    r"damn|fucking|freaking|stupid|please|pls|plz|so|many|constant|random|unsolicited|marketing|and|or|ever|"
    r"even|trying|be|being|been|get|getting|receive|receiving|recieve|recieving|hear|hearing|you|it|now|again|"
    r"such|kind|kinds|automated|unwanted|sales|spam|text|call|company|people|asking|want|directly|either|in|way|"
    r"shape|form|type|types|sort|having|continue|continued|keep|blowing|up|bs|crap|shit|another|one|single) ){0,6}?"
)
_REACH = r"(?:text|call)\b"
_NEGATED = (
    r"(?P<negated>(?:dont|never|not|wont|cant|cannot|didnt|doesnt|couldnt|isnt) (?:ever |even |you |want to |go )?)?"
)
_LIST = (
    r"(?:list|lists|listing|database|data base|system|contacts?|records?|files?|rolodex|directory|campaign|"
    r"mailing|thing|roster|crm|text|call|group|program)\b"
)
_US = r"(?:me|us|him|her|my|our|this)"
_SORRY = r"(?:(?:please|pls|plz|just|now|so|ok|no|i|said|omg|hi|hello|not interested) ){0,4}"

_STOP_IT = [
    # Stop texting me; quit sending these.
    rf"\b{_NEGATED}(?:stop|quit|cease|halt|discontinue) {_SMALL}"
    r"(?:(?:text|call|send|desist)\b|to (?:this|my) (?:number|phone|call))",
    rf"\bif you (?:would |could |can )?(?:stopped|stop|quit) {_SMALL}{_REACH}",
    rf"\b(?:desist|refrain) from {_SMALL}{_REACH}",
    # Don't text me; never call this number again.
    r"(?<!\bi )(?<!\bwe )(?<!\bthey )(?<!\bhe )(?<!\bshe )(?<!\bwho )"
    rf"\b(?:dont|never|cannot|can not|not to|must not|shouldnt) {_SMALL}{_REACH}(?: (?:or|and|nor) {_REACH})?"
    r"(?= (?:to )?(?:me|us|my|this|here|again|anymore|ever|back|list|registry|her|him|it|our|please|pls|plz|thanks|"
    r"thank|before|until|till|while|after|\|))",
    r"\b(?:dont|never) send (?:me |us |any |more |anymore |another |out ){0,3}"
    r"(?:text|any|anything|anymore|more|another|stuff|this|these|shit|crap|ads|offers|junk|things|again)\b",
    rf"\bno (?:more|further|additional|other) {_SMALL}(?:{_REACH}|ads|offers|of this|of these)|\| (?:(?:please|"
    rf"pls|plz) )?no text (?:please|pls|plz|thanks|anymore|\|)",
]

_TAKE_ME_OFF = [
    rf"\b{_NEGATED}(?:remove|delete|erase|unlist|purge|scrub|cancel) (?:me|us)\b(?! (?:a|the) )",
    rf"\b{_NEGATED}(?:remove|delete|erase|lose|forget|purge|scrub|wipe|discard|trash|unlist) (?:all |of )*"
    r"(?:my|our|this|these|his|her|that) (?:cell |phone |call |mobile |whole |entire |home |text )*"
    r"(?:number|name|info|information|text|phone|data|details|profile|entry)\b(?! (?:down|to) )",
    rf"\b{_NEGATED}(?:take|get|pull|cross|strike|knock|scratch|want|keep|leave|drop|remove|be|put|taken) "
    rf"(?:(?:me|us|my|our|this|him|her)|{_ANY}?number) {_ANY}{{0,2}}?(?:off|out of|from) (?:of )?"
    rf"(?:(?:your|the|this|all|any|that|every|future) |{_LIST}|\||please|pls|plz|here)",
    rf"\b{_NEGATED}(?:off|out of) (?:of )?(?:your|the|this|that|any|all|every) {_ANY}{{0,3}}?{_LIST}",
    rf"\b{_NEGATED}(?:remove|delete|taken?|erase|drop|unsubscribe) {_ANY}{{0,5}}?(?:from|off) {_ANY}{{0,4}}?{_LIST}",
    r"\| (?:i )?(?:want )?(?:off|out)(?: of)? (?:the |this |your )?(?:list|text)\b|\btake off (?:the |your )?list\b",
    r"\bi want (?:off|out)\b (?:\||please|now|of|this|your)",
    r"\b(?:i|we|me) (?:[a-z]{1,7} ){0,3}?(?:be|get) (?:taken off|remove)\b|\b(?:asked|times|want) to be remove\b",
    rf"\b{_NEGATED}(?:unsubscribe(?! from (?:the|my|our) (?!list|text|call))|optout|unenroll|unenrol|desubscribe)\b",
    r"\b(?:end|cancel|terminate) (?:all |these |those |the |my |your |this |future |any |further |sending ){0,4}"
    r"(?:text|subscriptions?|membership)\b(?! (?:tomorrow|today|at|for|with))",
]

_GO_AWAY = [
    rf"\b{_NEGATED}leave (?:me|us|my [a-z]+|her|him) {_ANY}{{0,3}}?(?:alone|be)\b|\blet (?:me|us) be \|",
    rf"\| {_SORRY}go away\b(?! (?:for|on|after|by|in|until|with))|\b(?:fuck|f|piss|bug|buzz|bugger|eff|screw|"
    rf"sod|f k) off\b(?! the)|\| back off\b",
    r"\b(?:kick rocks|pound sand|take a hike|cease and desist|dont disturb|mind your own business)\b",
    r"\b(?:knock it off|cut it out)\b|\bget (?:off|out of) my (?:call|phone|text)\b",
    r"\b(?:revok(?:e|ed|ing)|withdr(?:aw|awn|ew|awing)|rescind(?:ed|ing)?) (?:[a-z]++ ){0,4}?"
    r"(?:consent|permission|authorization|agreement)\b",
    r"\b(?:dont|not|never|didnt|without) (?:[a-z]++ ){0,4}?(?:consent|permission)\b",
    r"\b(?:dont|never|not|didnt|no longer) (?:want|wanting|wish|wishing|care|need|like|appreciate|desire|"
    rf"interested in|willing|ask for|asked for|authorize) {_SMALL}"
    r"(?:texts?(?:ed)?\b|call(?:ed)?\b(?! (?:back|center))|hear from|send me|receive (?:these|this|them|any))",
    r"\bnot (?:to )?(?:receive|get) (?:any |these |your |more |further |such ){0,2}(?:text|call)\b",
    r"\b(?:never|dont) (?:want to |ever )*hear from (?:you|any)",
    r"\bblock(?:ing|ed)? (?:you|your number|this number|this text)\b",
    r"\byou(?:re| are)? (?:being |getting |now )*blocked\b",
    r"\breport(?:ing|ed|s)? (?:(?:you|your|this number|this text)\b|(?:this )?as (?:spam|junk|text)|"
    r"to (?:the )?(?:fcc|ftc|dnc|attorney|police|bbb))",
    r"\b(?:dont call|dont text|no call|dnc) (?:me )?(?:list|registry|registery)\b",
    rf"\| {_SORRY}(?:stop|quit) (?:it|this|that|now|already|asap|immediately|me|everything)"
    r"(?: (?:now|please|already|pls|plz|asap|right))* \|",
    r"\b(?:said|say|saying|(?:asked|told|ask|tell|want|need) you to|you (?:need|have) to|you (?:must|should)|"
    r"(?:would|could|can|will) you|please|just|pls|plz|thanks|interested|this (?:has|needs) to|this must|"
    r"(?:make|get) (?:them|this|these)(?: to)?|text|hi|sorry|reply) (?:please |just |pls |plz |all )*stop \|",
    rf"\| {_SORRY}stop \|",
    r"\| (?:no spam|no solicit[a-z]*) \|",
    r"\bstop (?:im|i am|i|not|we|no|wrong|you|who|never|dont|sold|this is|thanks|already|were) ",
]

_WRONG_NUMBER = [
    r"\b(?:wrong|incorrect) (?:number|person|guy|lady|house|man|woman|gal|text|call)\b",
    r"\b(?:nobody|no one|noone|not anyone) (?:here |by |with |named |called |of )+(?:that |this |the )?name",
    r"\b(?:nobody|no one|noone) (?:here )?(?:named|called) (?!me\b|us\b|back\b)[a-z]+\b",
    r"\b(?:not|isnt|aint) (?:his|her|their) (?:number|call|phone)\b|\bnew owner of (?:this )?number\b",
    r"\bnot (?:who|the person|the one|the guy) (?:you|youre|ya)\b",
    r"\byou(?:ve)? (?:have |got |have got )+the wrong (?:one|\|)",
]

_HOSTILE = [
    r"\b(?:never|didnt|dont remember) (?:sign|signed|signing|subscribe|subscribed|optin|opted|opt) (?:up|in|to|"
    r"for)\b",
    r"\b(?:fuck you|f you|go to hell|screw you|shut up|eat shit|get a life|get lost|"
    r"(?<!is this a )(?<!is it a )(?<!not a )(?<!be a )scam|scammers?|sue you|suing|lawsuit|attorney general|"
    r"harassment|enough already|enough with)\b",
    r"\bwhy (?:do|are) you (?:keep |kept |constantly )?text\b|\bkeep text (?:me|us)\b",
    r"\| (?:please |i want to |i need to |can you |could you )*cancel (?:this|it|everything|all)\b",
    r"\brevoke\b|\bthis is (?:just |all )?spam\b|\bspam \||\bdont bother \|",
]

_ES_COMMAND = (
    r"(?:escrib(?:a[ns]?|ir(?:me|nos)?|iendo(?:me)?)|mand(?:e[ns]?|ar(?:me|nos)?|ando(?:me)?)|"
    r"envi(?:e[ns]?|ar(?:me|nos)?|ando(?:me)?)|llam(?:e[ns]?|ar(?:me|nos)?|ando(?:me)?)|"
    r"contact(?:e[ns]?|ar(?:me|nos)?|ando(?:me)?)|text(?:e[ea]?[ns]?|ear(?:me|nos)?|eando(?:me)?)|"
    r"molest(?:e[ns]?|ar(?:me|nos)?|ando(?:me)?)|busque[ns]?|jod(?:a[ns]?|er)|ching(?:ue[ns]?|ar|ando)|"
    r"mensaje(?:e[ns]?|ar(?:me)?)|mensajes|"
    r"insist(?:a[ns]?|ir)|fastidi(?:e[ns]?|ar)|marque[ns]?|comunique[ns]?|hable[ns]?|"
    r"(?:escriben?|mandan?|envian?|llaman?|molestan?)(?= (?:mas|por|porfa|ya|nada|\|)))\b"
)
_ES_TEXTS = (
    r"(?:mensajes?|mensages?|textos?|llamadas?|text|publicidad|spam|propaganda|ofertas|correos?|notificaciones)\b"
)
_ES_SMALL = (
    r"(?:(?:recibir|recivir|recibiendo|mas|sus|tus|su|tu|estos|esos|este|que|me|nos|sigan|siga|de|ustedes|usted|"
    r"ninguna?|ningun|seguir|los|las|el|ya|tener|nada|estas|esas|todos|todas|mi|a|en|ser|contacto) ){0,6}?"
)

_NO_ME_ESCRIBAN = [
    r"\bno (?:(?:me|nos|le|mas|ya|quiero que|queremos que|vuelvan?|vuelvas|a|sigan?|sigas|este[ns]?|deben|"
    r"por favor|favor|de|"
    rf"tienen? que) ){{0,5}}{_ES_COMMAND}(?! (?:el|la|un|una) )|\bno me (?:text|call)\b",
    rf"\b(?:deje[ns]?|deja|pare[ns]?|para|basta|alto|stop) (?:ya )?(?:de|con) (?:estar )?(?:me )?"
    rf"(?:{_ES_COMMAND}|tant[oa]s? |{_ES_SMALL}{_ES_TEXTS})|\bstop {_ES_COMMAND}",
]

_DE_BAJA = [
    r"\b(?:quit|sac|saqu|borr|elimin|remuev|remov|retir|tach)(?:a|e|en|an|ar|er)?(?:me|nos|rme)\b"
    r"(?! (?:el|la|los|las|un|una|esta|este|esa) )",
    r"\b(?:quit|sac|saqu|borr|elimin|remuev|remov|olvid|pierd|retir|tach)[a-z]{0,4} (?:a |ya )?"
    r"(?:mi|este|nuestro|el|ese) (?:numero|nombre|telefono|contacto|celular|cel|informacion|datos|text|number)\b",
    r"\b(?:dar(?:me|nos|se)?|dame|deme|denme|den|dado|doy|dele) de baja\b|\bde baja (?:de|por|mi)\b",
    r"\bno (?:quiero|deseo|queremos|deseamos|pedi|solicite|autorizo|autorice|necesito|me interesan?|kiero|acepto) "
    rf"{_ES_SMALL}(?:{_ES_TEXTS}|{_ES_COMMAND}|(?:contact|molest)[a-z]+\b)",
    rf"\b(?:no|ni un|ni una) mas {_ES_SMALL}(?:{_ES_TEXTS}|por favor|porfavor|porfa|gracias)",
    r"\bdej(?:a|e|en|ad)(?:me|nos|nme) (?:ya |vivir )?(?:en paz|tranquil|quiet|sol[oa]\b|de )",
    r"\bd[eiz]s?s?u?[bns]{0,3}criba?[a-z]{0,12}\b",
    r"\b(?:cancel[a-z]{0,5}|anul[a-z]{0,4}|parar|paren?|detener|detengan?|terminar|terminen?) "
    rf"{_ES_SMALL}(?:{_ES_TEXTS}|(?:su[bs]|in)s?cripcion)",
    r"\b(?:fuera|salir|sacar|quitar|borrar|eliminar|saquen|quiten) (?:me )?de (?:la|su|tu|esta|esa|sus) lista\b",
    r"\bya (?:no molest[a-z]+|basta|parale|paren?)\b",
    r"\| (?:(?:por favor|porfavor|ya|no) )*(?:alto|basta|paren?|nomas|no mas) (?:(?:ya|por favor|gracias) )*\|",
    r"\bno (?:autorizo|(?:doy|tienen?) (?:mi )?(?:permiso|consentimiento))\b",
]

_NUMERO_EQUIVOCADO = [
    r"\b(?:numero|number|persona|telefono) (?:equivocad|incorrect)[oa]\b",
    r"\bequivoc[a-z]{1,4} de (?:numero|number|persona)\b",
    r"\bno soy (?:esa|la|el) (?:persona|que)\b|\b(?:esta|estan|estas) equivocad[oa]s?\b|\baqui no vive\b",
]


def _phrases(language: str, patterns: list[str], **traits: bool) -> list[Phrase]:
    return [Phrase(re.compile(pattern), language, **traits) for pattern in patterns]


PHRASES: tuple[Phrase, ...] = (
    *_phrases("en", _STOP_IT, may_be_limited=True),
    *_phrases("en", _TAKE_ME_OFF),
    *_phrases("en", _GO_AWAY),
    *_phrases("es", _NO_ME_ESCRIBAN, may_be_limited=True),
    *_phrases("es", _DE_BAJA),
    *_phrases("en", _WRONG_NUMBER, is_doubtful=True, is_wrong_number=True),
    *_phrases("es", _NUMERO_EQUIVOCADO, is_doubtful=True, is_wrong_number=True),
    *_phrases("en", _HOSTILE, is_doubtful=True),
    *_phrases("es", [r"\b(?:vete a la|vete al|vayase|larguese|chinga|estafa|estafadores)\b"], is_doubtful=True),
)

# The writer may only want another hour or another channel.
LIMIT = re.compile(
    r"\b(?:until|till|before|during|while|instead|antes|hasta|mejor|en vez|prefer|prefiero|better|today|tonight|"
    r"tomorrow|right now|rn|at work|driving|weekends?|hoy|manana|(?:just|only) (?:text|call|email)|"
    r"(?<!or )(?<!and )(?<!nor )(?:text|call|email) (?:me|only|is|works|him|her)|"
    r"(?:escriba|mande|llame|manda|llama|escribe)me|after [0-9]+|so (?:early|late|much))\b"
)

# What "stop" is about when nobody is asked to stop texting.
ORDINARY_STOP = re.compile(
    r"\bstop (?:by|in|over|at|sign|light|here|there|work|working|leak[a-z]*|off|for|on|along|out|past|down|up|"
    r"smoking|loss|payment|before|after|when|until|then|it from|them from|being|running|using|coming)\b"
    r"|\b(?:bus|truck|pit|full|non|one|door|next|last|first|short|rest|train|gas|quick|the|a|our|your|my|back|per|"
    r"each|wont|doesnt|didnt|not|cant|never|dont|couldnt|wouldnt|cannot|isnt|(?:should|do|can|could) i|i (?:can|"
    r"could)|"
    r"ill|i will|we (?:can|could)|well) stop\b"
)
TOPICS = frozenset(
    re.split(
        " ",
        "leak leaks leaking water rain rains raining drip drips dripping seep seeps seeping seepage crack "
        "cracks flood floods flooding bleed bleeding pump sump noise dog dogs barking moisture hail snow storm "
        "wind bus train traffic crew spread growing settling bowing basement wall foundation mold shaking "
        "sinking erosion roots smell drain gutter pipe cement hydraulic sealant caulk sewer tank concrete epoxy "
        "project",
    )
)
