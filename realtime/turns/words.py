"""Words after which more must come, by language: articles, prepositions, conjunctions, fillers.

Plain text per language, so that a speaker of it can read and mend it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

OPENING_WORDS: Final[Mapping[str, str]] = {
    "en": """
        a an the and or but nor so if because that than then as at by for from in into of on
        onto to toward towards with without about between during until till since after
        before under over through via per is are was were be am been has have had do does
        did will would shall should can could may might must my your his her its our their
        this these those which who whom whose what where when why how not no very really
        quite just also only even please um uh uhm erm er hmm like well let's i he she
        we they i'm i'd i'll it's there's what's where's who's that's some any every each
        another both either neither another next last say set make tell give show remind
    """,
    "de": """
        der die das den dem des ein eine einen einem einer eines und oder aber denn weil
        dass wenn ob als wie in im ins an am ans auf aus bei beim mit nach seit von vom zu
        zum zur für durch gegen ohne um über unter vor hinter neben zwischen bis ist sind
        war waren bin hat haben hatte wird werden kann können muss müssen soll sollen will
        wollen darf mein meine meinen dein deine ihr ihre sein seine unser nicht kein keine
        sehr nur auch noch äh ähm hm also bitte ich du er sie wir dieser diese dieses welche
        welcher was wer wo wann warum
    """,
    "fr": """
        le la les l un une des du de d et ou mais donc car ni que qui quoi dont où si à au
        aux en dans sur sous avec sans pour par vers chez entre depuis pendant avant après
        est sont suis était a ai ont avait peut peux veux veut doit mon ma mes ton ta tes
        son sa ses notre votre leur ce cet cette ces ne pas très aussi euh heu bah je tu il
        elle nous vous ils elles quel quelle comment quand pourquoi
    """,
    "es": """
        el la los las un una unos unas y o u pero ni que quien cual donde si de del a al en
        con sin por para sobre entre hasta desde hacia es son era está están he ha han puede
        puedo quiero quiere debe mi tu su mis tus sus nuestro este esta estos estas ese esa
        no muy también eh em este pues yo tú él ella nosotros cómo cuándo qué
    """,
    "it": """
        il lo la i gli le un uno una e o ma che chi cui dove se di del della dei a al alla
        in nel nella con senza per su sul tra fra da dal è sono era ho ha hanno può posso
        voglio vuole deve mio mia tuo tua suo sua nostro questo questa quello non molto
        anche ehm eh io tu lui lei noi come quando perché
    """,
    "pt": """
        o a os as um uma uns umas e ou mas que quem onde se de do da dos das em no na nos
        nas com sem por para pelo pela sobre entre até desde é são era está estão tem posso
        pode quero quer deve meu minha teu seu sua nosso este esta esse essa não muito
        também eh hum eu tu ele ela nós como quando
    """,
    "nl": """
        de het een en of maar want omdat dat als in op aan bij met van voor naar uit over
        onder tussen tot door zonder is zijn was waren ben heeft hebben kan kunnen moet
        moeten wil willen mijn jouw zijn haar ons deze dit die niet geen heel ook nog eh uh
        ehm ik jij hij zij wij welke wat wie waar wanneer waarom
    """,
}

ENDING_WORDS: Final[Mapping[str, str]] = {
    "en": """
        please not no so too do did can will
    """,
}
"""Words of the above that close a sentence of some words as well as they open the rest."""

DANGLING_WORDS: Final[Mapping[str, str]] = {
    "en": """
        is are was were has have had would should could might must am be been on off up down in
        out over under around after before through by to with for from of at about without since
        like this that these those her his some any each both either neither another next well
        really also then you me
    """,
}
"""Words that seldom close a sentence: "what is this for", "turn it on", "tell me where it is"."""

QUESTION_WORDS: Final[Mapping[str, str]] = {
    "en": """
        what where when who whom whose which why how is are was were do does did have has can
        could will would shall should what's where's who's
    """,
}
"""Words that begin a sentence whose preposition may come last."""

SUBJECTS: Final[Mapping[str, str]] = {"en": "i you he she it we they there this that"}
"""Words after which a verb may close the sentence: "how far it is"."""

PARTICLES: Final[Mapping[str, str]] = {"en": "on off up down in out over back around"}
"""Words that close an order: "turn it off"."""

FAINT_WORDS: Final[Mapping[str, str]] = {"en": "a"}
"""Words so short that a recogniser hears them at an end where nobody says them."""
