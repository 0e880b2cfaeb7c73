"""The facts themselves, as plain tables: countries, elements, animals, opposites."""

# country: capital, by continent
_COUNTRIES = {
    "Europe": (
        "France: Paris, Germany: Berlin, Italy: Rome, Spain: Madrid, Portugal: Lisbon, "
        "Austria: Vienna, Belgium: Brussels, Denmark: Copenhagen, Norway: Oslo, "
        "Sweden: Stockholm, Finland: Helsinki, Poland: Warsaw, Hungary: Budapest, "
        "Greece: Athens, Ireland: Dublin, Iceland: Reykjavik, Romania: Bucharest, "
        "Bulgaria: Sofia, Croatia: Zagreb, Serbia: Belgrade, Ukraine: Kyiv, Estonia: Tallinn, "
        "Latvia: Riga, Lithuania: Vilnius, Albania: Tirana, Slovenia: Ljubljana, "
        "Slovakia: Bratislava, Malta: Valletta"
    ),
    "Asia": (
        "Japan: Tokyo, China: Beijing, India: New Delhi, Thailand: Bangkok, Vietnam: Hanoi, "
        "Nepal: Kathmandu, Mongolia: Ulaanbaatar, Indonesia: Jakarta, Iran: Tehran, "
        "Iraq: Baghdad, Jordan: Amman, Lebanon: Beirut, Pakistan: Islamabad, "
        "Bangladesh: Dhaka, Cambodia: Phnom Penh, Laos: Vientiane, Qatar: Doha, "
        "Oman: Muscat, Bhutan: Thimphu, Afghanistan: Kabul"
    ),
    "Africa": (
        "Egypt: Cairo, Kenya: Nairobi, Ghana: Accra, Morocco: Rabat, Algeria: Algiers, "
        "Tunisia: Tunis, Senegal: Dakar, Nigeria: Abuja, Ethiopia: Addis Ababa, "
        "Uganda: Kampala, Rwanda: Kigali, Angola: Luanda, Zambia: Lusaka, "
        "Zimbabwe: Harare, Mali: Bamako, Sudan: Khartoum, Somalia: Mogadishu, Namibia: Windhoek"
    ),
    "South America": (
        "Brazil: Brasilia, Argentina: Buenos Aires, Chile: Santiago, Peru: Lima, "
        "Colombia: Bogota, Ecuador: Quito, Uruguay: Montevideo, Paraguay: Asuncion, "
        "Venezuela: Caracas"
    ),
    "North America": (
        "Canada: Ottawa, Mexico: Mexico City, Cuba: Havana, Jamaica: Kingston, "
        "Panama: Panama City, Honduras: Tegucigalpa, Nicaragua: Managua, Haiti: Port-au-Prince"
    ),
    "Oceania": "Australia: Canberra, New Zealand: Wellington, Fiji: Suva, Samoa: Apia",
}

_CURRENCIES = (
    "Japan: yen, China: yuan, India: rupee, Thailand: baht, Vietnam: dong, Mexico: peso, "
    "Brazil: real, Poland: zloty, Hungary: forint, Denmark: krone, Sweden: krona, Kenya: shilling, "
    "Ghana: cedi, Nigeria: naira, Morocco: dirham, Egypt: pound, Canada: dollar, Peru: sol, "
    "Ukraine: hryvnia, Romania: leu, Bulgaria: lev, Mongolia: tugrik, Iran: rial, Iraq: dinar, "
    "Indonesia: rupiah, Bangladesh: taka, Ethiopia: birr, Zambia: kwacha, France: euro, Laos: kip"
)

_LANGUAGES = (
    "France: French, Germany: German, Italy: Italian, Spain: Spanish, Portugal: Portuguese, "
    "Brazil: Portuguese, Mexico: Spanish, Chile: Spanish, Austria: German, Japan: Japanese, "
    "China: Chinese, Egypt: Arabic, Iraq: Arabic, Iran: Persian, Greece: Greek, Poland: Polish, "
    "Hungary: Hungarian, Sweden: Swedish, Denmark: Danish, Norway: Norwegian, Finland: Finnish, "
    "Thailand: Thai, Vietnam: Vietnamese, Australia: English, Jamaica: English, Cuba: Spanish"
)

# element, symbol, in the order of the atomic number from 1
_ELEMENTS = (
    "hydrogen H, helium He, lithium Li, beryllium Be, boron B, carbon C, nitrogen N, oxygen O, "
    "fluorine F, neon Ne, sodium Na, magnesium Mg, aluminium Al, silicon Si, phosphorus P, "
    "sulfur S, chlorine Cl, argon Ar, potassium K, calcium Ca, scandium Sc, titanium Ti, "
    "vanadium V, chromium Cr, manganese Mn, iron Fe, cobalt Co, nickel Ni, copper Cu, zinc Zn, "
    "gallium Ga, germanium Ge, arsenic As, selenium Se, bromine Br, krypton Kr, rubidium Rb, "
    "strontium Sr, yttrium Y, zirconium Zr, niobium Nb, molybdenum Mo, technetium Tc, "
    "ruthenium Ru, rhodium Rh, palladium Pd, silver Ag, cadmium Cd, indium In, tin Sn"
)

_YOUNG = (
    "dog: puppy, cat: kitten, cow: calf, horse: foal, sheep: lamb, goat: kid, pig: piglet, "
    "lion: cub, deer: fawn, duck: duckling, goose: gosling, swan: cygnet, hen: chick, "
    "frog: tadpole, kangaroo: joey, hare: leveret, owl: owlet, eel: elver, fish: fry, "
    "butterfly: caterpillar"
)

_SOUNDS = (
    "dog: bark, cat: meow, cow: moo, horse: neigh, sheep: baa, pig: oink, lion: roar, duck: quack, "
    "frog: croak, owl: hoot, bee: buzz, snake: hiss, wolf: howl, hen: cluck, mouse: squeak, "
    "crow: caw, donkey: bray, turkey: gobble, dove: coo, cricket: chirp"
)

_OPPOSITES = (
    "hot: cold, big: small, tall: short, fast: slow, old: young, rich: poor, light: dark, "
    "full: empty, hard: soft, wet: dry, loud: quiet, early: late, open: closed, strong: weak, "
    "clean: dirty, deep: shallow, wide: narrow, thick: thin, sharp: blunt, brave: cowardly, "
    "cheap: expensive, near: far, smooth: rough, sweet: bitter, true: false, happy: sad, "
    "heavy: light, high: low, first: last, up: down, day: night, love: hate, war: peace, "
    "buy: sell, win: lose, arrive: depart, question: answer, north: south, east: west, "
    "left: right, inside: outside, always: never, friend: enemy, ancient: modern"
)


def _pairs(table: str) -> dict[str, str]:
    """Read "key: value, key: value"."""
    return dict(entry.strip().split(": ") for entry in table.split(","))


CAPITALS = {c: town for table in _COUNTRIES.values() for c, town in _pairs(table).items()}
CONTINENTS = {c: part for part, table in _COUNTRIES.items() for c in _pairs(table)}
CURRENCIES = _pairs(_CURRENCIES)
LANGUAGES = _pairs(_LANGUAGES)
SYMBOLS = dict(entry.strip().split(" ") for entry in _ELEMENTS.split(","))
ATOMIC_NUMBERS = {element: str(n) for n, element in enumerate(SYMBOLS, start=1)}
YOUNG = _pairs(_YOUNG)
SOUNDS = _pairs(_SOUNDS)
OPPOSITES = _pairs(_OPPOSITES)

__all__ = [
    "ATOMIC_NUMBERS",
    "CAPITALS",
    "CONTINENTS",
    "CURRENCIES",
    "LANGUAGES",
    "OPPOSITES",
    "SOUNDS",
    "SYMBOLS",
    "YOUNG",
]
